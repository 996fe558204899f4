"""CloudFormation: stacks from the templates that deploy."""
