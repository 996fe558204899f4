"""The steps of a handover: one file a function, which several Task states may share."""
