"""make live: the whole story in an AWS account of your own."""
