"""Between a base and what it was tuned to: the curve over alpha, and the point that binds most and forgets little."""

from rebind.blending.alphas import parse_alphas
from rebind.blending.choice import RULE, Choice, Point, choose
from rebind.blending.curve import Blend, blend
from rebind.blending.table import blend_table

__all__ = ["RULE", "Blend", "Choice", "Point", "blend", "blend_table", "choose", "parse_alphas"]
