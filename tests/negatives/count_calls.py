"""How much work something is, told without a clock."""

import sys


def calls_of(work):
    """How many functions ``work`` calls the second time, generators counting each time that they go on."""
    count = 0

    def called(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    work()
    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
