"""What the role that runs Terraform in a handover must be allowed: tried with the real one."""
