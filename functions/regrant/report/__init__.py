"""Stage 7: the report, the notification, the page, and the question for approval."""
