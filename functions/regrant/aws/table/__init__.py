"""What is written in the journal's table: one kind of items a file."""
