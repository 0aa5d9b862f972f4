"""Values of fields: valid, on a limit, invalid. The strategies and the verifier use them."""
