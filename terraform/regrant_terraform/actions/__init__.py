"""One file an action, or two that belong together. Each returns its own members of the result."""
