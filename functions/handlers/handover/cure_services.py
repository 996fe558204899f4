"""Task state CureServices."""

from regrant.handover.cures import cure_services
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(HandoverEvent, cure_services, "journal", "leases", sent_as="cure-services")
