"""Which points between base and tuned model are looked at."""

from __future__ import annotations

import math

from rebind.types import UserError

MOST = 101


def parse_alphas(text: str) -> tuple[float, ...]:
    """Read ``FIRST:LAST:STEP`` or numbers separated by commas; 0, the base, is always among them.

    Example:
        >>> parse_alphas("0:1:0.25")
        (0.0, 0.25, 0.5, 0.75, 1.0)

    Raises:
        UserError: when it is neither, or a number lies outside 0 … 1.
    """
    wish = f'alpha is "{text}"; write FIRST:LAST:STEP, such as 0:1:0.1, or numbers between 0 and 1, such as 0.3,0.5'
    try:
        numbers = [float(part) for part in text.replace(":", ",").split(",")]
    except ValueError:
        raise UserError(wish) from None
    if not all(math.isfinite(number) for number in numbers):
        raise UserError(wish)
    if ":" in text:
        if len(numbers) != 3 or "," in text or numbers[2] <= 0 or numbers[1] < numbers[0]:
            raise UserError(wish)
        first, last, step = numbers
        count = int((last - first) / step + 1e-9) + 1
        if count > MOST:
            raise UserError(f'alpha is "{text}", which is {count} points; at most {MOST} are evaluated: widen the step')
        numbers = [round(first + i * step, 10) for i in range(count)]
    if not all(0 <= number <= 1 for number in numbers):
        raise UserError(wish)
    return tuple(sorted({0.0, *numbers}))


def folder_name(alpha: float) -> str:
    """``alpha-0.30``; as many digits as alpha needs, two at least."""
    return f"alpha-{alpha:.2f}" if round(alpha, 2) == alpha else f"alpha-{alpha:g}"


TENTHS = parse_alphas("0:1:0.1")
