import random

import pytest

from rebind.concepts import build_extractor
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES, OPPOSITE_RELATION, noun_phrase

TEMPLATES = ["{}", "{} and {}", "{}, {} and {}"]
TEMPLATES += [f"{{}} {relation} {{}}" for relation in OPPOSITE_RELATION]
TEMPLATES += [f"{{}} {relation} {{}} and {{}}" for relation in OPPOSITE_RELATION]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_colour_and_shape_is_read_in_every_place_of_the_template(template):
    objects = [(colour, shape) for colour in ALL_COLOURS for shape in ALL_SHAPES]
    draw, extract = random.Random(template), build_extractor()
    for place in range(template.count("{}")):
        for one in objects:
            chosen = draw.sample([other for other in objects if other != one], template.count("{}") - 1)
            chosen.insert(place, one)
            caption = template.format(*(noun_phrase(*each) for each in chosen))
            assert extract(caption) == [" ".join(each) for each in chosen], caption
