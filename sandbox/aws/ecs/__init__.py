"""ECS: services, deployments, tasks and what runs in them."""
