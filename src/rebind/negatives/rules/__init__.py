"""Hard negative captions by rule: edits that keep the grammar right and make the caption false."""

from rebind.negatives.rules.stage import RuleNegatives
from rebind.negatives.rules.substitutes import Substitutes
from rebind.negatives.rules.writing import write_foils

__all__ = ["RuleNegatives", "Substitutes", "write_foils"]
