"""Generated examples take as long as the machine needs: a busy one would fail hypothesis's own deadline."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
