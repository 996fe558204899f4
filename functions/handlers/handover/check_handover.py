"""Task state CheckHandover."""

from regrant.handover.rollout import check_handover
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(HandoverEvent, check_handover, "kept", "services", sent_as="check-handover")
