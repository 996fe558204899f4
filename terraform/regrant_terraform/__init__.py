"""Runs Terraform for a handover, with gates around it. Standard library only, and no AWS call of its own."""
