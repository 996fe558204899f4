"""Task state Diagnose."""

from regrant.diagnosis.diagnose import diagnose
from regrant.step import step

handler = step(diagnose, "allowed", "services", "roles", "logs", "queues", "holds")
