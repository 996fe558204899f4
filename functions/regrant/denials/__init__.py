"""What a text says was denied."""
