"""Task state ConfirmBaseline."""

from regrant.baseline.receipt import confirm_baseline
from regrant.step import step

handler = step(confirm_baseline, "services", "roles", "journal", "holds")
