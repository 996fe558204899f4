"""Not a step of a run: `make audit` invokes it when a person wants to look. It may change nothing."""

from regrant.audit.audit import list_grants
from regrant.audit.found import AuditEvent
from regrant.step import step_of

handler = step_of(AuditEvent, list_grants, "allowed", "roles", "holds", "alarms", "executions")
