"""The rules against negatives and paraphrases that others wrote: SugarCrepe's, and SugarCrepe++'s second captions."""

import json
from pathlib import Path

import pytest

from rebind.negatives.llm.checks import fault, tidy

DATA = Path(__file__).parents[3] / "shared" / "data"


def accepted(folder, family, field):
    """The share of texts that pass as negatives."""
    content = json.loads((DATA / folder / f"{family}.json").read_text(encoding="utf-8"))
    rows = list(content.values()) if isinstance(content, dict) else content
    pairs = [(" ".join(row["caption"].split()), row[field]) for row in rows]
    return sum(fault(caption, tidy(caption, text), family) is None for caption, text in pairs) / len(pairs)


@pytest.mark.annotations
@pytest.mark.parametrize(
    ("family", "share"),
    [
        ("add_att", 0.95),
        ("add_obj", 0.85),
        ("replace_att", 0.9),
        ("replace_obj", 0.8),
        ("replace_rel", 0.8),
        ("swap_att", 0.8),
        ("swap_obj", 0.8),
    ],
)
def test_most_negatives_that_people_checked_pass(family, share):
    assert accepted("sugarcrepe", family, "negative_caption") >= share


@pytest.mark.annotations
@pytest.mark.parametrize("family", ["replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"])
def test_few_paraphrases_pass(family):
    assert accepted("sugarcrepe_pp", family, "caption2") <= 0.08
