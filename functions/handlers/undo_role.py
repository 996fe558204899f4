"""Task state UndoRole."""

from regrant.step import step
from regrant.undo.role import undo_role

handler = step(undo_role, "roles", "journal", "holds", "leases", "schedules", sent_as="undo-role")
