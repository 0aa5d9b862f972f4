"""The properties that a client must have: one module for each subject."""
