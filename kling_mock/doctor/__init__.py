"""`kling-mock doctor`: checks of this machine, and a report without secrets for an issue."""
