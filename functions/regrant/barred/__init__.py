"""What is never granted, and to whom never, although the stack's owner has listed it."""
