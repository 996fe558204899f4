"""Task state PageOperator."""

from regrant.metrics import count_outcome
from regrant.report.page import page_operator
from regrant.step import step

handler = count_outcome(step(page_operator, "journal", "holds", "leases", "topic", sent_as="page-operator"))
