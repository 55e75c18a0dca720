"""Reading the world's captions back, and checking them against a scene. Knows the words, none of the code."""

import re
from dataclasses import dataclass

from rebind.world.scenes import GRID, Scenes
from rebind.world.vocabulary import ALL_COLOURS, ALL_SHAPES

RELATIONS = ("left of", "right of", "above", "below")
PHRASE = re.compile(rf"(an?) ((?:{'|'.join(ALL_COLOURS)}) )?({'|'.join(ALL_SHAPES)})")
LINK = re.compile(rf" ({'|'.join(RELATIONS)}) |, | and ")


@dataclass(frozen=True)
class Caption:
    """What a caption says: objects as (colour or None, shape), and how the first relates to the second."""

    objects: tuple
    relation: str | None


def read_caption(text):
    """Parse a caption; any slip of grammar is an error."""
    objects, links, at = [], [], 0
    while True:
        phrase = PHRASE.match(text, at)
        assert phrase, f"no noun phrase at {at} of {text!r}"
        article, colour, shape = phrase.groups()
        assert article == ("an" if (colour or shape)[0] in "aeiou" else "a"), text
        objects.append((colour and colour.strip(), shape))
        at = phrase.end()
        if at == len(text):
            break
        link = LINK.match(text, at)
        assert link, f"nothing joins the phrases at {at} of {text!r}"
        links.append(link.group(0))
        at = link.end()
    relation = links[0].strip() if links and links[0].strip() in RELATIONS else None
    rest = links[1:] if relation else links
    assert rest == [", "] * (len(rest) - 1) + [" and "] * bool(rest), text  # one, two and three
    return Caption(tuple(objects), relation)


def places(scenes: Scenes, row):
    """``{(colour, shape): (down, across)}`` of one scene, from the numbers it is made of."""
    colours, shapes = list(ALL_COLOURS), list(ALL_SHAPES)
    return {
        (colours[scenes.colour[row, place]], shapes[shape]): divmod(int(scenes.cell[row, place]), GRID)
        for place, shape in enumerate(scenes.shape[row])
        if shape >= 0
    }


def is_true(caption: Caption, scene):
    """Whether a scene, as ``places`` gives it, shows what a caption says.

    Shapes do not repeat within a scene, so that every mention fits one object at most.
    """
    by_shape = {shape: (colour, place) for (colour, shape), place in scene.items()}
    for colour, shape in caption.objects:
        if shape not in by_shape or colour not in (None, by_shape[shape][0]):
            return False
    if caption.relation is None:
        return True
    (down, across), (other_down, other_across) = (by_shape[shape][1] for _, shape in caption.objects[:2])
    return {
        "above": down < other_down,
        "below": down > other_down,
        "left of": across < other_across,
        "right of": across > other_across,
    }[caption.relation]
