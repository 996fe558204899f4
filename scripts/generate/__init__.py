"""What is generated from something else and committed."""
