"""Servers that are wrong in one way each: what the verifier's checks have to find.

A *witness* wraps a server that is right and spoils requests, answers or callbacks on their way. Each names
the one check that must find it; a check without a witness could as well be left out.
"""
