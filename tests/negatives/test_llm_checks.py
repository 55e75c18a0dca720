"""Which captions written by a model are negatives of their family, judged by hand."""

import pytest
from count_calls import calls_of
from hypothesis import given
from hypothesis import strategies as st

from rebind.negatives.families import FAMILIES
from rebind.negatives.llm.checks import fault, signature, tidy
from rebind.negatives.llm.wording import is_reordered

GOOD = {
    "swap_att": [
        ("A black dog next to a white cat", "A white dog next to a black cat"),
        ("a man in red and a woman in blue", "a man in blue and a woman in red"),
        ("An old man holds a new book.", "A new man holds an old book."),
        ("Two women and one man pose", "One woman and two men pose"),
    ],
    "swap_obj": [
        ("a red car with a white roof", "a red roof with a white car"),
        ("a small dog watches a big bird", "a small bird watches a big dog"),
        ("two dogs on one bed", "two beds on one dog"),
        ("A cat lies on a laptop next to a chair.", "A cat lies on a chair next to a laptop."),
        ("plates with food next to a can of spam", "a can of spam with food next to plates"),
    ],
    "swap_rel": [
        ("A man riding a horse", "A horse riding a man"),
        ("the cups are on the plate", "the plate is on the cups"),
        ("a cat and a dog under a table", "a table under a cat and a dog"),
    ],
    "replace_att": [
        ("a red umbrella", "a yellow umbrella"),
        ("A man with an orange hat.", "A man with a purple hat."),
        ("Hot soup", "Frozen soup"),
    ],
    "replace_obj": [
        ("a dog on a couch", "a parrot on a couch"),
        ("A bowl of soup.", "A bowl of cherries."),
        ("a man eats an apple", "a man eats a sandwich"),
    ],
    "replace_rel": [
        ("a dog on a couch", "a dog under a couch"),
        ("a woman sits next to a fire hydrant", "a woman climbs over a fire hydrant"),
    ],
    "replace_num": [
        ("two dogs run", "four dogs run"),
        ("a dog is running", "three dogs are running"),
        ("3 men with a kite", "5 men with a kite"),
        ("one woman smiles", "six women smile"),
        ("two dogs run", "4 dogs run"),
        ("many dogs run", "few dogs run"),
    ],
    "add_obj": [
        ("a dog on a couch", "a dog and a parrot on a couch"),
        ("Dogs", "Dogs beside a parked bus"),
        ("a man walks on the beach.", "a man walks on the beach with a surfboard."),
    ],
    "add_att": [
        ("a dog on a couch", "a spotted dog on a couch"),
        ("A man on a bench.", "A bearded man on a broken bench."),
    ],
    "negate": [
        ("a dog with a leash", "a dog without a leash"),
        ("A man is riding a horse.", "A man is not riding a horse."),
        ("People on the beach", "No people on the beach"),
        ("a man wears a hat", "a man doesn't wear a hat"),
        ("a street without cars", "a street with cars"),
        ("a cat missing a leg", "a cat not missing a leg"),
    ],
}

BAD = [
    ("", "replace_att", "empty"),
    ("...", "replace_att", "empty"),
    ("a black dog on\na couch", "replace_att", "more than one line"),
    ("a black dog\u2028on a couch", "replace_att", "more than one line"),
    ("a black dog on a c\u0000uch", "replace_att", "not printable"),
    ("a black \ud800 dog on a couch", "replace_att", "not printable"),
    ("a black d\ufffdg on a couch", "replace_att", "not printable"),
    ("Sure! Here is one: a black dog", "replace_att", "speaks of the task"),
    ("Here's a black dog on a couch", "replace_att", "speaks of the task"),
    ("I'm sorry, but I can't do that", "replace_att", "speaks of the task"),
    ("null", "replace_att", "speaks of the task"),
    ("replace_att: a black dog", "replace_att", "speaks of the task"),
    ("a [colour] dog on a couch", "replace_att", "unfilled placeholder"),
    ("a <attribute> dog on a couch", "replace_att", "unfilled placeholder"),
    ("a ___ dog on a couch", "replace_att", "unfilled placeholder"),
    ("a " + 3 * "X" + " dog on a couch", "replace_att", "unfilled placeholder"),
    ("a black dog on ...", "replace_att", "unfilled placeholder"),
    ("a orange dog on a couch", "replace_att", "wrong article"),
    ("an brown dog on a couch", "replace_obj", "wrong article"),
    ("a brown dog on a couch", "replace_att", "same as the caption"),
    ("A Brown Dog, on the couch!", "replace_att", "same as the caption"),
    ("a dog", "replace_att", "length out of range"),
    ("a black dog " + "and a cat " * 6 + "on a couch", "add_obj", "length out of range"),
    ("his brown dog is on that couch", "replace_att", "same content words"),
    ("a brown dog on couches", "replace_obj", "same content words"),
    ("a brown dog on a sofa", "replace_obj", "synonym, more general or alike"),
    ("a brown animal on a couch", "replace_obj", "synonym, more general or alike"),
    ("a brown puppy on a couch", "replace_obj", "synonym, more general or alike"),
    ("a brown dog atop a couch", "replace_rel", "synonym, more general or alike"),
    ("three cats sleeping under two tables", "replace_obj", "not replace_obj: too many words changed"),
    ("a big brown dog on a couch", "replace_att", "not replace_att: nothing replaced"),
    ("a dog on a couch", "replace_att", "not replace_att: nothing replaced"),
    ("a black dog on a bed", "replace_att", "not replace_att: changed in several places"),
    ("a brown dog positioned on a couch", "replace_rel", "not replace_rel: nothing replaced"),
    ("a black dog on a couch", "replace_num", "not replace_num: same numbers"),
    ("two black cats on a bed", "replace_num", "not replace_num: other words"),
    ("a brown dog on a bed", "swap_obj", "not swap_obj: other words"),
    ("a brown couch below a dog", "swap_rel", "not swap_rel: other words"),
    ("a black dog on a couch with a cat", "add_obj", "not add_obj: lost words of the caption"),
    ("a couch on a brown dog with a cat", "add_obj", "not add_obj: lost words of the caption"),
    ("a picture of a brown dog on a couch", "add_obj", "not add_obj: adds nothing"),
    ("a very nice brown dog on a couch", "add_att", "not add_att: adds nothing"),
    ("a fat old wet tired brown dog on a torn couch", "add_att", "not add_att: too many words added"),
    ("a brown dog not on a couch", "replace_rel", "not replace_rel: denies something"),
    ("a brown dog with no tail on a couch", "add_att", "not add_att: denies something"),
    ("a brown dog off a couch", "negate", "not negate: denies nothing"),
    ("a brown dog without a leash on a couch", "negate", "not negate: denies what the caption does not say"),
]


@pytest.mark.parametrize(("family", "caption", "foil"), [(f, *pair) for f, pairs in GOOD.items() for pair in pairs])
def test_good_negatives_pass(family, caption, foil):
    assert fault(caption, foil, family) is None


def test_every_family_is_judged():
    assert tuple(GOOD) == FAMILIES


@pytest.mark.parametrize(("foil", "family", "reason"), BAD)
def test_bad_negatives_are_named(foil, family, reason):
    assert fault("a brown dog on a couch", foil, family) == reason


@pytest.mark.parametrize(
    ("caption", "foil"),
    [
        ("a cat and a dog", "a dog and a cat"),
        ("A cat, a dog and a bird on a bed.", "A bird, a cat and a dog on a bed."),
        ("a red and black bus", "a black and red bus"),
        ("a man next to a horse", "a horse next to a man"),
        ("a big man beside a small horse in a field", "a small horse beside a big man in a field"),
        ("a woman with a dog", "a dog with a woman"),
        ("salt & pepper", "pepper & salt"),
        ("tea or coffee", "coffee or tea"),
        ("a tall red tower", "a red tall tower"),
        ("a dog facing a cat", "a cat facing a dog"),
        ("a man is talking to a woman", "a woman is talking to a man"),
    ],
)
@pytest.mark.parametrize("family", ["swap_att", "swap_obj", "swap_rel"])
def test_another_order_of_what_belongs_together_is_no_negative(caption, foil, family):
    assert fault(caption, foil, family) == "only reordered"


@pytest.mark.parametrize(
    ("caption", "foil", "family", "reason"),
    [
        ("two men", "a couple of men", "replace_num", "synonym, more general or alike"),
        ("a dozen eggs", "twelve eggs", "replace_num", "synonym, more general or alike"),
        ("a large gray bus", "a large grey bus", "replace_att", "synonym, more general or alike"),
        ("a small plane", "a little plane", "replace_att", "synonym, more general or alike"),
        ("A dog, a cat and three birds on grass", "Nothing", "negate", "length out of range"),
        ("an old red barn stands alone", "nothing stands there", "negate", "not negate: lost words of the caption"),
        ("two dogs run", "2 dogs run", "replace_num", "not replace_num: same numbers"),
        ("a dog runs", "1 dog runs", "replace_num", "not replace_num: same numbers"),
        ("a lot of dogs", "many dogs", "replace_num", "same as the caption"),
        ("a photo of a dog", "a picture of a dog", "replace_obj", "synonym, more general or alike"),
        ("a wood table", "a wooden table", "replace_att", "synonym, more general or alike"),
        ("a red car", "a crimson car", "replace_att", "synonym, more general or alike"),
        ("a red car", "a scarlet car", "replace_att", "synonym, more general or alike"),
        ("a young boy", "a little boy", "replace_att", "synonym, more general or alike"),
        ("a young child", "a small child", "replace_att", "synonym, more general or alike"),
        ("a cat in the kitchen", "a cat inside of the kitchen", "replace_rel", "synonym, more general or alike"),
        ("a man walks home", "a man strolls home", "replace_rel", "synonym, more general or alike"),
        ("a man runs home", "a man sprints home", "replace_rel", "synonym, more general or alike"),
        ("a man eating cake", "a man consuming cake", "replace_rel", "synonym, more general or alike"),
        ("a cup on a table", "a real cup on a table", "add_att", "not add_att: adds nothing"),
        ("a dog on a bed", "a cute dog on a bed", "add_att", "not add_att: adds nothing"),
        ("a dog on a bed", "a dog on a bed in a room", "add_obj", "not add_obj: adds nothing"),
        ("a dog with a ball", "a dog not without a ball", "negate", "not negate: denies nothing"),
    ],
)
def test_more_bad_negatives(caption, foil, family, reason):
    assert fault(caption, foil, family) == reason


@pytest.mark.parametrize(
    ("caption", "foil"),
    [
        ("Here is a red hat", "Here is a blue hat"),
        ("a [red] hat", "a [blue] hat"),
        ("an unique red hat", "an unique blue hat"),
    ],
)
def test_what_the_caption_does_itself_is_no_fault(caption, foil):
    assert fault(caption, foil, "replace_att") is None


@pytest.mark.parametrize(
    ("caption", "text", "tidied"),
    [
        ("A red hat.", "a blue hat", "A blue hat."),
        ("a red hat", "A blue hat.", "a blue hat"),
        ("a red hat", '"A blue hat."', "a blue hat"),
        ("A red hat!", "A blue hat", "A blue hat!"),
        ("a red hat", "TV on a hat", "TV on a hat"),
        ("a red hat", "  a blue hat \n", "a blue hat"),
        ("2 hats", "3 hats.", "3 hats"),
        ('"Stop" on a sign', '"Go" on a sign', '"Go" on a sign'),
        ("a red hat", "", ""),
        ("a red hat", "?!", "?!"),
    ],
)
def test_a_foil_looks_like_its_caption(caption, text, tidied):
    assert tidy(caption, text) == tidied


def test_a_long_answer_is_no_more_work_than_its_words():
    words = ("a man and a dog walk in the park with the tree or the car , " * 40).split()[:500]
    park, tree = (max(place for place in range(250) if words[place] == noun) for noun in ("park", "tree"))
    swapped = [*words]
    swapped[park], swapped[tree] = words[tree], words[park]
    assert calls_of(lambda: is_reordered(" ".join(words), " ".join(swapped))) < 200 * len(words)


@given(caption=st.text(min_size=1).filter(lambda text: text.split()), foil=st.text(), family=st.sampled_from(FAMILIES))
def test_any_text_is_judged(caption, foil, family):
    caption = " ".join(caption.split())
    reason = fault(caption, tidy(caption, foil), family)
    assert reason is None or reason
    assert fault(caption, caption, family)
    assert isinstance(signature(foil), tuple)
