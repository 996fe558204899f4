"""Task state CreateState."""

from regrant.handover.state import create_state
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(
    HandoverEvent, create_state, *("journal", "state_bucket", "lock_table"), sent_as="create-state"
)
