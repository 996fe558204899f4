"""Task state ReadBuild."""

from regrant.handover.read import read_build
from regrant.model.handover import HandoverEvent
from regrant.step import handover_step

handler = handover_step(HandoverEvent, read_build, "journal", "builds", sent_as="read-build")
