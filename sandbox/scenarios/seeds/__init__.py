"""What an account holds when a scenario begins."""
