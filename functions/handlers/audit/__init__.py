"""The functions that look at what runs have left, beside the graph."""
