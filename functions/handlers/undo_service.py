"""Task state UndoService."""

from regrant.step import step
from regrant.undo.service import undo_service

handler = step(undo_service, "services", "journal", sent_as="undo-service")
