"""Hand repaired services back to Terraform: state, import, the right roles, and the undo of that."""
