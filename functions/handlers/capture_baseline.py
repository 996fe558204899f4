"""Task state CaptureBaseline."""

from regrant.baseline.capture import capture_baseline
from regrant.step import step

handler = step(capture_baseline, "roles", "services", "journal", "leases")
