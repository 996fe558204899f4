"""What happened once and is not made good yet: grants, alarms, undos, pages. One kind a file."""
