"""Mutation testing: the tests must detect faults in the contract and in the decisions of the mock."""
