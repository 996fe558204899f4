"""Task state RemoveState."""

from regrant.handover.state import remove_state
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(
    HandoverEvent, remove_state, *("journal", "state_bucket", "lock_table"), sent_as="remove-state"
)
