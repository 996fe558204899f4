"""What IAM policies say."""
