"""Task state CaptureBaseline."""

from regrant.baseline.capture import capture_baseline
from regrant.step import asking_step

handler = asking_step("capture-baseline", capture_baseline, "roles", "services", "journal", "leases")
