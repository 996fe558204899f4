"""Regrant: gives an ECS service back the AWS permission it lost, or puts everything back."""
