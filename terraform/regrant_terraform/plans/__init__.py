"""What a plan says, and when two containers are the same."""
