"""What a containment attaches, by what the service's tasks were denied."""
