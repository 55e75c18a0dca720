import pytest
import spacy
from gold_trees import as_spacy, noun_phrases, sentences
from spacy.tokens import Doc

from rebind.concepts.spacy_backend import mentions_of

#: Nouns that say how much or where, or name nothing at all.
LEFT_OUT = {"lot", "lots", "kind", "sort", "way", "fact", "things", "back", "right", "top", "bottom", "group", "part"}


@pytest.mark.annotations
def test_noun_phrases_of_gold_trees_are_found():
    vocabulary = spacy.blank("en").vocab
    trees = list(sentences())
    hits = found = wanted = 0
    for rows in trees:
        heads, labels = as_spacy(rows)
        words, spaces, pos = ([getattr(row, name) for row in rows] for name in ("form", "space", "pos"))
        doc = Doc(vocabulary, words=words, spaces=spaces, pos=pos, heads=heads, deps=labels)
        mentions = mentions_of(doc, relations=True)
        phrases = {phrase.text.removeprefix("no ") for phrase in mentions.phrases}
        gold = set(noun_phrases(rows)) - LEFT_OUT
        hits += len(phrases & gold)
        found += len(phrases)
        wanted += len(gold)
        for relation in mentions.relations:
            assert relation.words
            assert relation.object != relation.subject
    assert len(trees) > 1_300
    assert hits / found > 0.98
    assert hits / wanted > 0.93
