"""Distil WordNet's nouns into the two small tables beside this file; run once, whenever `kinds.tsv` changes.

    python -m rebind.negatives.lexicon.distil DICT

DICT is the folder with WordNet 3.0's `index.noun` and `data.noun`. Kept are everyday nouns that can mean a thing to be
seen, each with its first senses, the kind that they share, and every more general meaning above those senses.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rebind.negatives.lexicon.nouns import read_lines
from rebind.storage import write_text

HERE = Path(__file__).parent

#: WordNet's files of the most general nouns, animals, artifacts, bodies, food, places, objects, persons, phenomena,
#: plants and substances.
_VISIBLE = frozenset((3, 5, 6, 8, 13, 15, 17, 18, 19, 20, 27))

_SENSES = 3
_NOUN = re.compile(r"[a-z]+(?:[- ][a-z]+)?")


def read_synsets(path: Path) -> dict[str, tuple[int, list[str]]]:
    """The file number of each synset and the synsets right above it, from `data.noun`."""
    synsets = {}
    for line in _rows(path):
        fields = line.partition(" |")[0].split(" ")
        words = int(fields[3], 16)
        pointers = fields[5 + 2 * words :]
        above = [
            target for symbol, target in zip(pointers[0::4], pointers[1::4], strict=False) if symbol in ("@", "@i")
        ]
        synsets[fields[0]] = (int(fields[1]), above)
    return synsets


def read_nouns(path: Path) -> dict[str, tuple[bool, list[str]]]:
    """Whether WordNet's authors met each noun in running text, and its synsets by frequency, from `index.noun`."""
    nouns = {}
    for line in _rows(path):
        fields = line.split()
        count = int(fields[2])
        nouns[fields[0].replace("_", " ")] = (int(fields[-count - 1]) > 0, fields[-count:])
    return nouns


def _rows(path: Path) -> Iterator[str]:
    with path.open(encoding="ascii") as lines:
        yield from (line for line in lines if not line.startswith(" "))


def distil(dictionary: Path, common: frozenset[str]) -> tuple[str, str]:
    """The texts of `nouns.tsv` and `synsets.tsv`.

    Args:
        dictionary: folder with `index.noun` and `data.noun`.
        common: words that count as everyday words besides those that WordNet's authors met in running text.
    """
    synsets = read_synsets(dictionary / "data.noun")
    nouns = read_nouns(dictionary / "index.noun")
    anchors = {nouns[noun][1][sense - 1]: kind for kind, noun, sense in _anchors()}

    def kind_of(synset: str) -> str:
        level = [synset]
        while level:
            found = [anchors[one] for one in level if one in anchors]
            if found:
                return found[0].strip("-")
            level = [above for one in level for above in synsets[one][1]]
        return ""

    kept = {
        noun: senses[:_SENSES]
        for noun, (met, senses) in sorted(nouns.items())
        if any(synsets[one][0] in _VISIBLE for one in senses[:_SENSES])
        and _NOUN.fullmatch(noun)
        and (met or set(noun.split()) <= common)
    }
    number = {synset: place for place, synset in enumerate(_closure(kept.values(), synsets))}
    noun_rows = (f"{noun}\t{_agreed(map(kind_of, ids))}\t{_numbers(ids, number)}\n" for noun, ids in kept.items())
    synset_rows = (_numbers(synsets[synset][1], number) + "\n" for synset in number)
    return "".join(noun_rows), "".join(synset_rows)


def _agreed(kinds: Iterable[str]) -> str:
    """The kind of all senses; empty when they differ: a giant is a man or a beast."""
    found = set(kinds)
    return found.pop() if len(found) == 1 else ""


def _closure(senses: Iterable[list[str]], synsets: dict[str, tuple[int, list[str]]]) -> list[str]:
    waiting = [one for ids in senses for one in ids]
    reached = set()
    while waiting:
        synset = waiting.pop()
        if synset not in reached:
            reached.add(synset)
            waiting.extend(synsets[synset][1])
    return sorted(reached)


def _numbers(ids: list[str], number: dict[str, int]) -> str:
    return " ".join(str(number[one]) for one in ids)


def _anchors() -> Iterator[tuple[str, str, int]]:
    for line in read_lines("kinds.tsv"):
        kind, anchor = line.split("\t")
        noun, _, sense = anchor.rpartition(" ")
        yield kind, noun, int(sense)


def _everyday_words() -> frozenset[str]:
    """The words that the tagger knows, and those listed by hand."""
    from textblob.en import lexicon

    by_hand = [line.partition(": ")[2] for line in (*read_lines("nouns_by_hand.txt"), *read_lines("added.txt"))]
    listed = ", ".join([*by_hand, *read_lines("look_alikes.txt")])
    return frozenset(lexicon.keys()) | frozenset(listed.replace(",", "").split())


def main() -> None:
    """Write `nouns.tsv` and `synsets.tsv` from the dictionary folder named on the command line."""
    nouns, synsets = distil(Path(sys.argv[1]), _everyday_words())
    write_text(HERE / "nouns.tsv", nouns)
    write_text(HERE / "synsets.tsv", synsets)


if __name__ == "__main__":
    main()
