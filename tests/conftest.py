"""For all tests: hypothesis must not judge how long an example takes, and nothing is kept outside of the tests."""

import os

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
os.environ["REBIND_CACHE"] = "none"
