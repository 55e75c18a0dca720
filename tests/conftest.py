"""For all tests: hypothesis must not judge how long an example takes; a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
