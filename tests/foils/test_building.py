from collections import Counter

import numpy as np
import pytest

from rebind.data.annotation_files import write_annotation
from rebind.foils import FoilSettings, Veto, annotated_negatives, build_foils, rule_negatives
from rebind.foils.exposure import exposing, too_few
from rebind.negatives.blind import BlindScore
from rebind.types import UserError


class SomeOf:
    """A source with fewer samples."""

    def __init__(self, source, rows):
        self.path, self.root, self.source, self.rows = source.path, source.root, source, rows
        self.keys = [source.keys[row] for row in rows]

    def __len__(self):
        return len(self.rows)

    def captions(self, row):
        return self.source.captions(self.rows[row])

    def concepts(self, row):
        return ()

    def image(self, row):
        return self.source.image(self.rows[row])


def test_foils_are_of_held_out_samples_one_of_each_family(source, write_negatives):
    foils = build_foils(source, write_negatives, FoilSettings(share=0.6))
    assert 0.5 < len(foils.held_out) / len(source) < 0.7
    assert {foil.key for foil in foils.foils} <= set(foils.held_out)
    assert max(Counter((foil.family, foil.key) for foil in foils.foils).values()) == 1
    assert list(foils.tally) == list(foils.refinements) == ["swap_att", "replace_obj", "add_obj"]
    for foil in foils.foils:
        assert source.keys[foil.row] == foil.key
        assert {foil.caption, foil.original} <= set(source.captions(foil.row))
        assert foil.foil not in source.captions(foil.row)
        assert foil.gap is not None
    again = build_foils(source, write_negatives, FoilSettings(share=0.6))
    assert (again.foils, again.held_out, again.tally) == (foils.foils, foils.held_out, foils.tally)
    assert build_foils(source, write_negatives, FoilSettings(share=0.6, seed=1)).held_out != foils.held_out


def test_what_is_held_out_stays_so_as_the_source_grows(source, write_negatives):
    smaller = SomeOf(source, range(0, 300, 2))
    held_out = build_foils(smaller, write_negatives, FoilSettings(share=0.3)).held_out
    grown = build_foils(source, write_negatives, FoilSettings(share=0.3)).held_out
    assert set(held_out) == set(grown) & set(smaller.keys)
    assert set(held_out) < set(build_foils(source, write_negatives, FoilSettings(share=0.5)).held_out)


def test_an_addition_stands_against_a_longer_caption_where_there_is_one(source, write_negatives):
    foils = build_foils(source, write_negatives, FoilSettings(share=1))
    added = [foil for foil in foils.foils if foil.family == "add_obj"]
    assert any(foil.caption != foil.original for foil in added)
    assert all(foil.caption == foil.original for foil in foils.foils if foil.family != "add_obj")
    refinement = foils.refinements["add_obj"]
    assert refinement.before["length"].accuracy == 1
    assert refinement.after["length"].accuracy == pytest.approx(0.5, abs=0.03)
    one_each = SomeOf(source, range(0, 300, 2))
    refinement = build_foils(one_each, write_negatives, FoilSettings(share=1)).refinements["add_obj"]
    assert "length" in refinement.one_sided


def test_without_refinement_every_sample_has_its_foil(source, write_negatives):
    foils = build_foils(source, write_negatives, FoilSettings(share=1, refine=False))
    assert foils.refinements == {}
    assert {foil.gap for foil in foils.foils} == {None}
    counts = foils.tally["swap_att"]
    assert counts["kept"] == counts["samples"] == counts["candidates"] - counts.get("duplicates", 0)
    few = build_foils(source, write_negatives, FoilSettings(share=1, refine=False, per_family=15))
    assert Counter(foil.family for foil in few.foils) == {"swap_att": 15, "replace_obj": 15, "add_obj": 15}
    assert set(few.foils) < set(foils.foils)


def test_families_are_taken_in_the_order_asked_for(source, write_negatives):
    settings = FoilSettings(share=1, families=("replace_obj", "swap_att"))
    assert list(build_foils(source, write_negatives, settings).tally) == ["replace_obj", "swap_att"]
    with pytest.raises(UserError, match="is of the family 'negate'; there are: add_obj, replace_obj, swap_att"):
        build_foils(source, write_negatives, FoilSettings(share=1, families=("negate",)))


def test_what_is_true_or_said_twice_is_no_foil(source):
    def write(items):
        for item in items:
            true = item["captions"][-1].upper() + "."
            again = ["A red   box!", "a red box"] if item["captions"][0] == source.captions(0)[0] else []
            yield {
                "key": item["key"],
                "negatives": [{"caption": text, "family": "f", "of": 0} for text in [true, *again]],
            }

    foils = build_foils(source, write, FoilSettings(share=1, refine=False))
    counts = foils.tally["f"]
    assert counts["true"] == 300
    assert counts["kept"] == 1
    assert counts["duplicates"] == counts["candidates"] - 301
    assert [foil.foil for foil in foils.foils] == ["A red   box!"]


def test_a_vetoed_foil_never_returns_and_another_takes_its_place(source, write_negatives):
    settings = FoilSettings(share=1, refine=False)
    foils = build_foils(source, write_negatives, settings)
    unwanted = next(foil for foil in foils.foils if foil.family == "replace_obj")
    filename = source.image(unwanted.row).relative_to(source.root).as_posix()
    rebuilt = build_foils(source, write_negatives, settings, [Veto(filename, unwanted.foil)])
    assert set(foils.foils) - set(rebuilt.foils) == {unwanted}
    (new,) = set(rebuilt.foils) - set(foils.foils)
    assert (new.family, new.key) == (unwanted.family, unwanted.key)
    assert rebuilt.tally["replace_obj"]["vetoed"] == 1
    elsewhere = build_foils(source, write_negatives, settings, [Veto("another.png", unwanted.foil)])
    assert elsewhere.foils == foils.foils


def test_vetoes_leave_most_of_a_refined_choice_as_it_was(source, write_negatives):
    settings = FoilSettings(share=1, families=("swap_att", "replace_obj"))
    foils = build_foils(source, write_negatives, settings)
    vetoes = [Veto(source.image(f.row).relative_to(source.root).as_posix(), f.foil) for f in foils.foils[::40]]
    rebuilt = build_foils(source, write_negatives, settings, vetoes)
    before, after = ({(foil.family, foil.key, foil.foil) for foil in each.foils} for each in (foils, rebuilt))
    assert not after & {(foil.family, foil.key, foil.foil) for foil in foils.foils[::40]}
    assert sum(counts["vetoed"] for counts in rebuilt.tally.values()) == len(vetoes)
    assert len(after - before) < 0.1 * len(after)
    assert len(after) > 0.9 * len(before)


@pytest.mark.parametrize(
    ("negative", "message"),
    [
        ("text", "the negatives of the key 'photo 0': each must be an object"),
        ({"caption": " ", "family": "f"}, "`caption` is empty"),
        ({"caption": "a", "family": 3}, "`family` must be a text"),
        ({"caption": "a", "family": "../f"}, "`family` must be made of letters"),
        ({"caption": "a", "family": "f", "of": 3}, "`of` must be the number of one of its 1 captions, not 3"),
    ],
)
def test_wrong_negatives_are_named(source, negative, message):
    rows = [{"key": "photo 0", "negatives": [negative]}]
    with pytest.raises(UserError, match=message):
        build_foils(source, lambda items: rows, FoilSettings(share=1))


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.5}, {"per_family": 0}, {"seed": -1}])
def test_settings_are_checked(wrong):
    with pytest.raises(UserError, match=next(iter(wrong)).replace("_", " ").replace("per", "foils per").split()[0]):
        FoilSettings(**wrong)


def test_an_empty_share_is_refused(source, write_negatives):
    with pytest.raises(UserError, match="none of the 300 samples"):
        build_foils(source, write_negatives, FoilSettings(share=1e-9))


def test_further_judges_are_balanced_too(source, write_negatives):
    def judge(pairs):
        letters = [np.array([ord(text.split()[1][0]) for text in texts]) for texts in (pairs.captions, pairs.foils)]
        return {"first letter": (letters[0] - letters[1]).astype(float)}

    foils = build_foils(source, write_negatives, FoilSettings(share=1, families=("swap_att",)), judges=[judge])
    assert foils.refinements["swap_att"].after["first letter"].accuracy == pytest.approx(0.5, abs=0.02)


def test_negatives_are_looked_up_or_written_by_rule(photos, source, tmp_path):
    write_annotation(source, "negatives", [("photo 3", [{"caption": "a lamp", "family": "f"}]), ("gone", [])], {})
    found = list(annotated_negatives(source)([{"key": "photo 2", "captions": []}, {"key": "photo 3", "captions": []}]))
    assert found == [{"key": "photo 3", "negatives": [{"caption": "a lamp", "family": "f"}]}]
    for file in (photos / "annotations").iterdir():
        file.unlink()
    (photos / "annotations").rmdir()
    write = rule_negatives(source, ["swap_att", "replace_att"])
    (row,) = write([{"key": "photo 1", "captions": list(source.captions(1))}])
    assert {negative["family"] for negative in row["negatives"]} <= {"swap_att", "replace_att"}
    assert len({negative["caption"] for negative in row["negatives"]}) == len(row["negatives"]) > 1
    assert {negative["of"] for negative in row["negatives"]} == {0, 1}
    assert [row] == list(write([{"key": "photo 1", "captions": list(source.captions(1))}]))


def test_foils_by_rule_of_a_whole_source(source):
    settings = FoilSettings(share=1, families=("swap_att", "replace_att"))
    foils = build_foils(source, rule_negatives(source, settings.families), settings)
    assert len(foils.foils) > 20
    for family, refinement in foils.refinements.items():
        assert refinement.after["likelihood"].accuracy == pytest.approx(0.5, abs=0.06), family


def test_what_blind_readers_tell_is_left_out_unless_it_is_named(source, write_negatives):
    one_each = SomeOf(source, range(0, 300, 2))
    foils = build_foils(one_each, write_negatives, FoilSettings(share=1))
    assert foils.exposed["add_obj"][0] in ("length", "classifier", "classifier_retrained")
    assert foils.dropped == foils.exposed
    assert {foil.family for foil in foils.foils} & set(foils.exposed) == set()
    assert foils.tally["add_obj"]["kept"] == 0
    assert foils.refinements["add_obj"].after["length"].low > 0.55
    named = build_foils(one_each, write_negatives, FoilSettings(share=1, families=("add_obj", "swap_att")))
    assert (named.dropped, "add_obj" in named.exposed) == ({}, True)
    assert sum(foil.family == "add_obj" for foil in named.foils) == named.tally["add_obj"]["kept"] > 100


def test_a_family_is_exposed_by_an_interval_and_unknown_by_a_few_pairs():
    fair, told = BlindScore(0.5, 0.46, 0.54, 500), BlindScore(0.62, 0.58, 0.66, 500)
    few, between = BlindScore(0.5, 0.36, 0.64, 50), BlindScore(0.57, 0.53, 0.61, 500)
    worse = BlindScore(1, 1, 1, 500)
    assert exposing({"a": fair, "b": told, "c": worse, "d": few, "e": between}) == ["c", "b"]
    assert [too_few({"a": fair, "b": score}) for score in (fair, told, few, between)] == [False, False, True, True]
    assert (exposing({}), too_few({})) == ([], False)


def test_vetoes_that_match_nothing_are_named(source, write_negatives):
    foils = build_foils(source, write_negatives, FoilSettings(share=1, refine=False))
    foil = foils.foils[3]
    right = Veto(source.image(foil.row).relative_to(source.root).as_posix(), foil.foil)
    wrong = [Veto(right.filename, "a zebra"), Veto("gone.png", right.foil)]
    again = build_foils(source, write_negatives, FoilSettings(share=1, refine=False), [right, *wrong])
    assert again.unmatched == tuple(wrong)
    assert sum(counts["vetoed"] for counts in again.tally.values()) == 1


def test_rules_know_their_families(source):
    with pytest.raises(UserError, match="no family of foils is called 'nope'; there are: swap_att, swap_obj"):
        rule_negatives(source, ["swap_att", "nope"])
