"""How strong the tests are: faults are put into the contract and the state function, and have to be seen."""
