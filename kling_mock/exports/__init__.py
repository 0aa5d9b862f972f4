"""Requests and tasks as code: for a shell, Python and JavaScript, as a test and as a scenario file."""
