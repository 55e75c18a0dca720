"""Gold trees of Universal Dependencies: their noun phrases, read off plainly, and the same trees as spaCy documents."""

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[3] / "shared" / "data" / "ud_english_ewt" / "en_ewt-ud-dev.conllu"

#: Left out are sentences with relations that are no syntax, or of which spaCy's labels have no counterpart.
FOREIGN = {"flat", "goeswith", "reparandum", "fixed", "list", "parataxis", "orphan", "dislocated", "nmod:unmarked"}
FOREIGN |= {"nmod:desc", "vocative", "appos", "dep", "discourse"}

#: Universal relation -> spaCy's label, where they differ.
LABELS = {
    "root": "ROOT",
    "obj": "dobj",
    "iobj": "dative",
    "nsubj:pass": "nsubjpass",
    "nsubj:outer": "nsubj",
    "obl:unmarked": "npadvmod",
    "nmod:poss": "poss",
    "acl:relcl": "relcl",
    "det:predet": "predet",
}
INSIDE = {"amod", "nummod", "compound", "nmod:poss", "det", "det:predet"}
STAYS = INSIDE | {"case", "nmod", "acl", "acl:relcl", "conj", "cop"}


@dataclass
class Row:
    """One token of a treebank: its columns, with places counted from 0; the root is its own head."""

    form: str
    pos: str
    head: int
    relation: str
    space: bool


def sentences(path=FILE):
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.split("\t") for line in block.splitlines() if line and not line.startswith("#")]
        lines = [line for line in lines if line[0].isdigit()]  # no multi-word tokens, no empty nodes
        rows = [
            Row(form, pos, int(head) - 1 if head != "0" else place, relation, "SpaceAfter=No" not in misc)
            for place, (_, form, _, pos, _, _, head, relation, _, misc) in enumerate(lines)
        ]
        if rows and not FOREIGN & {row.relation for row in rows}:
            yield rows


def noun_phrases(rows):
    """Each noun with what stands before it and belongs to it, without determiners and possessive pronouns."""
    for head, row in enumerate(rows):
        possessive = row.relation == "nmod:poss" and row.head > head
        if row.pos not in ("NOUN", "PROPN") or row.relation == "compound" or possessive:
            continue
        start = head
        while start > 0 and belongs(rows, start - 1, head):
            start -= 1
        while rows[start].pos in ("DET", "PRON"):
            start += 1
        words = [each.form + " " * each.space for each in rows[start:head]]
        yield ("".join(words) + row.form).lower()


def belongs(rows, place, head):
    """Whether a word lies below a child of the noun that is part of its base noun phrase."""
    while rows[place].head not in (head, place):
        place = rows[place].head
    return rows[place].head == head and rows[place].relation in INSIDE


def as_spacy(rows):
    """Heads and labels by spaCy's convention: prepositions govern their nouns, and "be" governs what is said to be."""
    heads = [row.head for row in rows]
    labels = [LABELS.get(row.relation, row.relation) for row in rows]
    for place, row in enumerate(rows):
        noun = row.head
        if row.relation == "cop":
            heads[place], labels[place] = place if heads[noun] == noun else heads[noun], labels[noun]
            heads[noun], labels[noun] = place, "attr" if rows[noun].pos in ("NOUN", "PROPN") else "acomp"
            for child, other in enumerate(rows):
                if other.head == noun and child not in (noun, place) and other.relation not in STAYS:
                    heads[child] = place
        elif row.relation in ("cc", "punct") and rows[noun].relation == "conj" and place < noun:
            heads[place] = rows[noun].head
    for place, row in enumerate(rows):
        noun = row.head
        if row.relation == "case" and place < noun and heads[place] == noun:
            heads[place] = place if heads[noun] == noun else heads[noun]
            labels[place] = "ROOT" if labels[noun] == "ROOT" else "prep"
            heads[noun], labels[noun] = place, "pobj"
    return heads, labels
