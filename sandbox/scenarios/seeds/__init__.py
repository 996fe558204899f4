"""What an account holds when a story begins."""
