"""What a plan may do, decided from its JSON alone. A gate returns its objections; none means yes."""
