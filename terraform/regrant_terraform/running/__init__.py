"""Terraform as a process: its environment, its commands, and what its failures are called."""
