"""Valid values of fields, values on a limit, and invalid values, for the strategies and the verifier."""
