"""Task state UndoService."""

from regrant.step import sent_step
from regrant.undo.service import undo_service

handler = sent_step("undo-service", undo_service, "services", "journal")
