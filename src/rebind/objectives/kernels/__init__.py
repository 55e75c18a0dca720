"""Device code. Its files import Triton, so nothing imports them before a kernel is asked for."""
