"""What the owner's Terraform does with a grant that was made beside it."""
