"""Stage 4: what a run changes: attach, redeploy, withdraw."""
