"""Task state CloseIncident."""

from regrant.metrics import count_outcome
from regrant.model.run import CloseEvent
from regrant.report.close import close_incident
from regrant.step import asking_step_of

handler = count_outcome(
    asking_step_of(CloseEvent, close_incident, "journal", "leases", "topic", sent_as="close-incident")
)
