"""What make demo plays: the scenarios, how they are played, shown and judged."""
