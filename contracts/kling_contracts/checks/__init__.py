"""The checks, by what they are about.

A module has `checks(gateway)`, `steps(gateway)` or both; a few have what several of these share.
"""
