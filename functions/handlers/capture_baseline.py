"""Task state CaptureBaseline."""

from regrant.baseline.capture import capture_baseline
from regrant.model.run import StepEvent
from regrant.step import asking_step_of

handler = asking_step_of(
    StepEvent,
    lambda event, aws, ask: capture_baseline(event.state, aws, event.now, ask),
    *("roles", "services", "journal", "leases", "executions"),
    sent_as="capture-baseline",
)
