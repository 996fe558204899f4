"""Task state AskApproval."""

from regrant.model.run import AskEvent
from regrant.report.approval import ask_approval
from regrant.step import sent_step_of

handler = sent_step_of(AskEvent, "ask-approval", ask_approval, "leases", "approvals", "topic")
