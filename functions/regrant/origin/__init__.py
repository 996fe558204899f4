"""Where a step's event comes from: what its run has sent and planned; and no time ahead of the own clock."""
