"""What is mined from a corpus: counts, kinds, what goes together; and the file they are kept in."""

import pytest

from rebind.negatives.rules import Substitutes
from rebind.types import UserError

PICTURES = [
    ["A red bus on a street", "A bus beside a tree"],
    ["A blue bus on a street"],
    ["A cat on a couch", "Two cats on a red couch"],
    ["An axolotl in a tank", "two black axolotls"],
] * 5


def test_pictures_are_counted_not_captions():
    mined = Substitutes.mine(PICTURES)
    assert mined.pictures == 20
    assert mined.nouns["bus"] == 10
    assert mined.nouns["cat"] == 5
    assert mined.together("street", "bus") == mined.together("bus", "street") == 10
    assert mined.together("cat", "bus") == 0
    assert mined.attributes["bus"] == {"blue": 5, "red": 5}
    assert mined.after["couch"] == {"on": 10}


def test_what_never_goes_together_is_improbable():
    mined = Substitutes.mine(PICTURES)
    assert mined.improbable("cat", ["bus", "street"])
    assert not mined.improbable("bus", ["street"])
    assert mined.expected("bus", "cat") == pytest.approx(2.5)


def test_the_lexicon_stands_in_where_a_corpus_has_too_few_of_a_kind():
    own = [[f"A {animal} in a field"] for animal in ("cow", "horse", "sheep", "donkey")] * 5
    assert set(Substitutes.mine(own).of_kind("animal")) == {"cow", "horse", "sheep", "donkey"}
    assert "elephant" in Substitutes.mine(own[:2]).of_kind("animal")
    assert "elephant" in Substitutes().of_kind("animal")
    assert Substitutes().of_kind("no such kind") == ()


def test_the_file_gives_back_what_was_written_and_equal_counts_equal_bytes(tmp_path):
    mined = Substitutes.mine(PICTURES)
    mined.write(tmp_path / "one.json")
    Substitutes.mine(reversed(PICTURES)).write(tmp_path / "other.json")
    assert Substitutes.read(tmp_path / "one.json") == mined
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


@pytest.mark.parametrize("text", ["", "[]", '{"pictures": 1, "birds": {}}', "no json"])
def test_another_file_is_refused_by_name(tmp_path, text):
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(UserError, match=r"wrong\.json is no file of substitutes"):
        Substitutes.read(tmp_path / "wrong.json")
    with pytest.raises(UserError, match=r"cannot read .*missing\.json"):
        Substitutes.read(tmp_path / "missing.json")
