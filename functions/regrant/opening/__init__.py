"""Stage 1: from whatever started the run to a service with its catalogue entry, or to a refusal."""
