"""Stage 6: everything that the run changed is undone, from the journal."""
