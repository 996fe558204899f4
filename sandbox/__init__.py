"""A local AWS account in one process: moto keeps the objects, and what it lacks stands beside it."""
