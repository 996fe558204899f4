"""Task state RestoreServices."""

from regrant.handover.restore import restore_services
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(
    HandoverEvent,
    restore_services,
    *("kept", "journal", "leases", "services", "revisions"),
    sent_as="restore-services",
)
