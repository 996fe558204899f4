"""Where a step's event comes from: what its run has sent, and what it has planned."""
