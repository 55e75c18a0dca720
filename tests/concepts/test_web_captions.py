"""Captions as the web has them: with addresses, names of files and tags, and in any language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebind.concepts import build_extractor
from rebind.concepts.language import is_english
from rebind.concepts.markup import without_markup
from rebind.concepts.phrases import read_caption
from rebind.concepts.textblob_backend import WORD

extract = build_extractor()


@pytest.mark.parametrize(
    ("caption", "concepts"),
    [
        ("mycat https://t.co/xyz", ["mycat"]),
        ("a red cup pic.twitter.com/abc", ["red cup"]),
        ("www.shop.com red shoes by me@shop.co.uk", ["red shoes"]),
        ("a dog on a mat IMG_2034.JPG", ["dog", "mat"]),
        ("a dog DSC-0012", ["dog"]),
        ("<script>alert(1)</script><td>a <b>red</b> cat</td> on a mat<br/>", ["red cat", "mat"]),
        ("salt &amp; pepper&nbsp;", ["salt", "pepper"]),
        ("<PERSON> in a red dress", ["person", "red dress"]),
        ("a t.v. and 1/2 of a pizza", ["t.v.", "pizza"]),
        ("The image shows, a dog", ["image", "dog"]),
        ("a tile back splash", ["tile back splash"]),
        ("the back seat of a car", ["back seat", "car"]),
        ("A trio of men", ["men"]),
        ("A Frisbee golf net", ["frisbee golf net"]),
    ],
)
def test_what_nobody_would_say_is_no_concept(caption, concepts):
    assert extract(caption) == concepts


@pytest.mark.parametrize("caption", ["IMG_2034.JPG", "https://t.co/xyz", "Un chat noir sur une table"])
def test_a_caption_without_english_words_names_nothing(caption):
    assert extract.find_many([caption]) == [[]]


@given(st.text(alphabet="ab<>/.@&;_-:td 1", max_size=80))
def test_every_other_character_stays_where_it_is(caption):
    cleaned = without_markup(caption)
    assert len(cleaned) == len(caption)
    assert all(one in (" ", other) for one, other in zip(cleaned, caption, strict=True))


def test_places_of_words_are_those_in_the_whole_caption():
    caption = "<b>A dog</b> https://t.co/xyz on a mat"
    words = read_caption(caption).words
    assert [word.text for word in words] == ["A", "dog", "on", "a", "mat"]
    assert all(caption[word.start : word.end] == word.text for word in words)


@pytest.mark.parametrize(
    "caption",
    [
        "Un chien joue dans la neige",
        "Hund auf einem roten Sofa",
        "Un gato negro sobre la mesa",
        "Due cani corrono sulla spiaggia",
        "Een man op een fiets in de stad",
        "Kissa istuu pöydällä",
        "Kırmızı bir kanepede oturan kedi",
        "Красный автобус на улице",
        "一只红色的猫坐在桌子上",
        "قطة على الطاولة",
    ],
)
def test_other_languages_are_told(caption):
    assert not is_english(WORD.findall(caption.lower()))


@pytest.mark.parametrize(
    "caption",
    [
        "La Jolla beach",
        "Rue de la Paix at night",
        "Los Angeles skyline",
        "Machu Picchu, Peru",
        "zebras, giraffes, wildebeest",
        "crème brûlée with raspberries",
        "skateboarder grinding handrail",
        "a cat",
        "12",
    ],
)
def test_names_and_rare_words_are_no_other_language(caption):
    assert is_english(WORD.findall(caption.lower()))
