"""The functions as AWS runs them, as far as a machine without AWS goes. docs/runtimes.md says what for."""
