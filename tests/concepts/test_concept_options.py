import pytest

from rebind.concepts import STOP_LISTS, ConceptOptions, build_extractor, frequent
from rebind.concepts.mentions import Phrase
from rebind.types import UserError


def concepts(caption, **options):
    return build_extractor(**options)(caption)


def test_determiners_can_be_kept():
    caption = "A man in a red hat walks his two dogs near all the boats"
    assert concepts(caption) == ["man", "red hat", "two dogs", "boats"]
    assert concepts(caption, keep_determiners=True) == ["a man", "a red hat", "his two dogs", "all the boats"]
    assert concepts("A clock above the clock", keep_determiners=True) == ["a clock"]


def test_numbers_can_be_left_out():
    assert concepts("Two dogs and 3 small cats", keep_numbers=False) == ["dogs", "small cats"]
    assert concepts("The two dogs by bus 22", keep_numbers=False, keep_determiners=True) == ["the dogs", "bus 22"]
    assert concepts("two dogs by a dog and three dogs", keep_numbers=False) == ["dogs", "dog"]


def test_stop_concepts_are_left_out_whatever_their_determiner_or_number():
    caption = "Two photos of a street, a busy street and the tram"
    stopped = ["Street", "PHOTOS"]
    assert concepts(caption, stop_concepts=stopped) == ["busy street", "tram"]
    assert concepts(caption, stop_concepts=stopped, keep_determiners=True) == ["a busy street", "the tram"]
    assert concepts("a street", stop_concepts=stopped) == ["a street"], "a caption without any is its own concept"


def test_stop_lists_go_by_name_and_files_by_path(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("\ufeffred  Hat\n\nmat\n", encoding="utf-8")
    options = ConceptOptions(stop_concepts=f"places, {own}")
    assert set(options.stop_concepts) == {*STOP_LISTS["places"], "red hat", "mat"}
    assert ConceptOptions(**options.as_dict()) == options
    assert all(concept == Phrase.read(concept).text for each in STOP_LISTS.values() for concept in each)


def test_the_first_concepts_are_kept():
    caption = "a cat on a mat by a door"
    assert concepts(caption, max_per_image=2) == ["cat", "mat"]
    assert concepts(caption, max_per_image=2, stop_concepts=["cat"]) == ["mat", "door"]
    assert concepts(caption, max_per_image=4, relations=True) == ["cat", "mat", "door", "cat on a mat"]


def test_frequent_concepts_are_kept_in_order():
    counts = {"dog": 3, "red hat": 1, "cat": 2}
    assert frequent(["cat", "red hat", "new", "dog"], counts, 2) == ["cat", "dog"]
    assert frequent(["cat", "red hat"], counts, 1) == ["cat", "red hat"]


@pytest.mark.parametrize(
    ("caption", "relations"),
    [
        ("A dog sitting on a couch", ["dog sitting on a couch"]),
        ("Two boys riding a horse", ["two boys riding a horse"]),
        ("a dog that is lying under the table", ["dog lying under the table"]),
        ("a lamp to the left of the mirror", ["lamp to the left of the mirror"]),
        ("a bike in front of a gate", ["bike in front of a gate"]),
        ("a bowl filled with lots of plums", ["bowl filled with plums"]),
        ("a herd of cows in a field", ["herd of cows", "cows in a field"]),
        ("a nun holding a cup of tea", ["nun holding a cup", "cup of tea"]),
        ("the fruit is green and yellow", ["green and yellow fruit"]),
        ("the two goats are very old", ["two very old goats"]),
        ("the girl's bike is old", ["girl's old bike"]),
        # nothing where it is not plain what belongs to what
        ("a nun holding a cup on a balcony", ["nun holding a cup"]),
        ("a nun sits on a bench with a goat", ["nun sits on a bench"]),
        ("three monks in robes walking down a road", ["three monks in robes"]),
        ("a goat and a horse", []),
        ("a goat, a horse while a nun sleeps", []),
        ("the lamp is a red one", []),
        ("a nun. A goat", []),
    ],
)
def test_relations_and_attributes_are_added_after_the_phrases(caption, relations):
    assert concepts(caption, relations=True) == concepts(caption) + relations


def test_relations_follow_the_other_options():
    caption = "The two goats on a hill near a street"
    assert concepts(caption, relations=True, keep_determiners=True)[3:] == [
        "the two goats on a hill",
        "a hill near a street",
    ]
    assert concepts(caption, relations=True, keep_numbers=False, stop_concepts=["street"]) == [
        "goats",
        "hill",
        "goats on a hill",
    ]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("keep_determiners", "no", "'keep_determiners'.*'no'.*true or false"),
        ("keep_numbers", 1, "'keep_numbers'.*1.*true or false"),
        ("relations", None, "'relations'.*None.*true or false"),
        ("max_per_image", 0, "'max_per_image'.*0.*from 1 on"),
        ("max_per_image", True, "'max_per_image'.*True.*from 1 on"),
        ("max_per_image", 2.5, "'max_per_image'.*2.5.*from 1 on"),
        ("stop_concepts", "places,animals", "'animals' cannot be read.*pictures, places, vague"),
        ("stop_concepts", 7, "'stop_concepts' is 7"),
        ("stop_concepts", ["cat", " "], "'stop_concepts' holds ' '"),
        ("stop_concepts", [3], "'stop_concepts' holds 3"),
    ],
)
def test_wrong_options_are_answered_with_what_would_be_right(option, value, message):
    with pytest.raises(UserError, match=message):
        build_extractor(**{option: value})


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "stop.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"stop\.txt is not UTF-8 text"):
        build_extractor(stop_concepts=str(tmp_path / "stop.txt"))
    with pytest.raises(UserError, match="cannot be read"):
        build_extractor(stop_concepts=str(tmp_path))
