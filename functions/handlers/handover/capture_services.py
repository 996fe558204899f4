"""Task state CaptureServices."""

from regrant.handover.capture import capture_services
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(
    HandoverEvent,
    capture_services,
    *("approvals", "leases", "services", "revisions", "kept"),
    sent_as="capture-services",
)
