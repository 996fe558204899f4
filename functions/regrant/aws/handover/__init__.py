"""The adapters that a handover needs."""
