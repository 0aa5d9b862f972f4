"""The checks and steps of the verifier, one module for each subject.

A module has `checks(gateway)`, `steps(gateway)` or both; a few modules hold helpers shared by others.
"""
