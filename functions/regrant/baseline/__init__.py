"""Stage 3, and the last: role and service before the first change, and the proof that they are so again."""
