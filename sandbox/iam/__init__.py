"""How IAM decides about a request; nothing here knows of the account."""
