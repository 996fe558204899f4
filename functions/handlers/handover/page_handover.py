"""Task state PageHandover."""

from regrant.handover.report import page_handover
from regrant.model.handover import CloseHandoverEvent
from regrant.step import handover_step

handler = handover_step(
    CloseHandoverEvent,
    page_handover,
    *("journal", "kept", "approvals", "leases", "topic"),
    sent_as="page-handover",
)
