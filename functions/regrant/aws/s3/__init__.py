"""What is read in S3."""
