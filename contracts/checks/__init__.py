"""The checks, by what they are about. Each module has `checks(gateway)` and `steps(gateway)`."""
