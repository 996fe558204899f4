"""Task state PageOperator."""

from regrant.report.page import page_operator
from regrant.step import step

handler = step(page_operator, "journal", "holds", "leases", "topic")
