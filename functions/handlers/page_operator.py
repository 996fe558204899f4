"""Task state PageOperator."""

from regrant.metrics import count_outcome
from regrant.report.page import page_operator
from regrant.step import sent_step

handler = count_outcome(sent_step("page-operator", page_operator, "journal", "holds", "leases", "topic"))
