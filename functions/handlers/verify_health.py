"""Task state VerifyHealth."""

from regrant.step import step
from regrant.verify.sample import verify_health

handler = step(verify_health, "services", "roles", "logs", "queues")
