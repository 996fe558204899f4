"""make privileges: each role may do what it does, and nothing else."""
