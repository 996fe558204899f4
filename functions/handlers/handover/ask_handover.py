"""Task state AskHandover."""

from regrant.handover.ask import ask_handover
from regrant.model.handover import AskHandoverEvent
from regrant.step import handover_step

handler = handover_step(AskHandoverEvent, ask_handover, "approvals", "topic", sent_as="ask-handover")
