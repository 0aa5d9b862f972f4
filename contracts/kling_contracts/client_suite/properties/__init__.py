"""The properties of a correct client: one module for each subject."""
