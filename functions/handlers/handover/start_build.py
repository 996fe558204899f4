"""Task states RunImport, RunPlan, RunApply, RunDrift and RunUndo."""

from regrant.handover.build import start_build
from regrant.model.handover import BuildEvent
from regrant.step import handover_step

handler = handover_step(BuildEvent, start_build, "journal", "kept", "builds", "work", sent_as="start-build")
