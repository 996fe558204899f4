"""The AWS services of the local account, as far as moto lacks them; none knows of another."""
