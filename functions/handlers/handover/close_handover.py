"""Task state CloseHandover."""

from regrant.handover.report import close_handover
from regrant.model.handover import CloseHandoverEvent
from regrant.step import handover_step

handler = handover_step(
    CloseHandoverEvent,
    close_handover,
    *("journal", "kept", "approvals", "leases", "topic"),
    sent_as="close-handover",
)
