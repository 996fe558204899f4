"""EventBridge: rules with their targets, and one-time schedules."""
