"""Captions in any number, different from each other, that speak of things as people do."""

import itertools
import json

COLOURS = ["red", "green", "blue", "white", "black", "brown", "yellow", "grey", "wooden", "plastic"]
THINGS = ["cup", "chair", "table", "dog", "cat", "bicycle", "umbrella", "bench", "kite", "bowl", "train", "horse"]
RELATIONS = ["on top of", "under", "next to", "in front of", "behind"]
PEOPLE = ["man", "woman", "boy", "girl", "child"]
DEEDS = ["holding", "looking at", "standing near", "sitting beside"]


def captions(count):
    """``count`` captions, in the same order each time."""
    people = itertools.product(COLOURS, THINGS, RELATIONS, COLOURS, THINGS, PEOPLE, DEEDS, COLOURS, THINGS)
    for colour, thing, relation, other, second, person, deed, third, object_ in itertools.islice(people, 0, None, 37):
        if count == 0:
            return
        count -= 1
        yield (f"A {colour} {thing} {relation} the {other} {second}, and a {person} {deed} two {third} {object_}s.")


def write_captions(path, count):
    """The file that ``--captions`` reads; returns its path."""
    with path.open("w") as lines:
        for number, caption in enumerate(captions(count)):
            lines.write(json.dumps({"key": f"k{number}", "caption": caption}) + "\n")
    return path


def write_folder(folder, count):
    """Captioned images of which only the captions are there; returns the folder."""
    folder.mkdir(parents=True)
    with (folder / "captions.jsonl").open("w") as lines:
        for number, caption in enumerate(captions(count)):
            lines.write(json.dumps({"image": f"{number}.jpg", "caption": caption}) + "\n")
    return folder
