"""Task state OpenIncident."""

from regrant.model.run import OpenEvent
from regrant.opening.open import open_incident
from regrant.step import step_of

handler = step_of(OpenEvent, open_incident, "allowed", "journal", "leases")
