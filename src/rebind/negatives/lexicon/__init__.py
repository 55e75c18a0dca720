"""What the rules know of English: kinds of nouns, attributes that exclude one another, relations, verbs, inflection.

The large tables are distilled from WordNet 3.0 (see `distil.py` and `LICENSE.wordnet`), the small ones written by hand.
"""

from rebind.negatives.lexicon.attributes import Attributes, Value, load_attributes
from rebind.negatives.lexicon.nouns import Nouns, load_nouns

__all__ = ["Attributes", "Nouns", "Value", "load_attributes", "load_nouns"]
