"""Mutation testing: faults are inserted into the contract and the state function; tests must detect them."""
