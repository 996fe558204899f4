"""Not a step of a run: a rule invokes it every hour."""

from regrant.audit.audit import audit_grants
from regrant.audit.found import AuditEvent
from regrant.step import step_of

handler = step_of(AuditEvent, audit_grants, "allowed", "roles", "holds", "alarms", "executions")
