"""What every service of the account stands on: clock, clients, gateway, roles, faults."""
