"""Task state AttachPolicies."""

from regrant.change.attach import attach_policies
from regrant.step import step

handler = step(attach_policies, "roles", "journal", "holds", "leases", "schedules")
