"""Task state UndoRole."""

from regrant.step import sent_step
from regrant.undo.role import undo_role

handler = sent_step("undo-role", undo_role, "roles", "journal", "holds", "leases", "schedules")
