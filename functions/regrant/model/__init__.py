"""What travels between the states: frozen types, no decisions."""
