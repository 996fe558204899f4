"""Task state AskApproval."""

from regrant.model.run import AskEvent
from regrant.report.approval import ask_approval
from regrant.step import step_of

handler = step_of(AskEvent, ask_approval, "leases", "approvals", "topic", sent_as="ask-approval")
