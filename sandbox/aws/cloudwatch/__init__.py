"""CloudWatch: logs with their metric filters, and alarms."""
