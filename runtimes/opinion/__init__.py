"""`make second-opinion`: asks another emulator of AWS what the local account is asked, and compares."""
