"""Task state OpenHandover."""

from regrant.handover.open import open_handover
from regrant.model.handover import OpenHandoverEvent
from regrant.step import handover_step

handler = handover_step(
    OpenHandoverEvent, open_handover, *("allowed", "services", "leases", "kept"), sent_as="open-handover"
)
