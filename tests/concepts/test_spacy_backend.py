"""The spaCy backend on pipelines that are made here: trees by hand in place of a trained parser."""

import pickle
import subprocess
import sys

import pytest
import spacy
from spacy.language import Language

from rebind.concepts import build_extractor
from rebind.types import UserError

#: Captions between empty lines, each word as word/part of speech/place of its head/label, by the conventions of spaCy's
#: English pipelines.
TREES = """
A/DET/1/det dog/NOUN/1/ROOT sitting/VERB/1/acl on/ADP/2/prep a/DET/6/det red/ADJ/6/amod couch/NOUN/3/pobj
next/ADV/6/advmod to/ADP/7/prep two/NUM/10/nummod cats/NOUN/8/pobj

The/DET/1/det man/NOUN/3/poss 's/PART/1/case hat/NOUN/4/nsubj is/AUX/4/ROOT black/ADJ/4/acomp and/CCONJ/5/cc
white/ADJ/5/conj ./PUNCT/4/punct

a/DET/4/det black/ADJ/4/amod and/CCONJ/1/cc white/ADJ/1/conj cat/NOUN/4/ROOT and/CCONJ/4/cc his/PRON/7/poss
toys/NOUN/4/conj

A/DET/2/det large/ADJ/2/amod group/NOUN/2/ROOT of/ADP/2/prep people/NOUN/3/pobj on/ADP/2/prep top/NOUN/5/pobj
of/ADP/6/prep a/DET/9/det hill/NOUN/7/pobj

He/PRON/1/nsubj sees/VERB/1/ROOT it/PRON/1/dobj

A/DET/1/det woman/NOUN/2/nsubj holds/VERB/2/ROOT up/ADP/2/prt a/DET/5/det sign/NOUN/2/dobj in/ADP/2/prep
the/DET/8/det rain/NOUN/6/pobj

no/DET/1/det chairs/NOUN/1/ROOT to/ADP/1/prep the/DET/4/det left/NOUN/2/pobj of/ADP/4/prep the/DET/7/det
table/NOUN/5/pobj

Not/PART/4/neg quite/ADV/4/advmod all/DET/4/predet the/DET/4/det boats/NOUN/4/ROOT that/PRON/6/nsubj
float/VERB/4/relcl
"""
ROWS = [[word.split("/") for word in tree.split()] for tree in TREES.split("\n\n")]
CAPTIONS = [" ".join(word for word, *_ in row) for row in ROWS]
CONCEPTS = [
    ["dog", "red couch", "two cats"],
    ["man 's hat"],
    ["black and white cat", "toys"],
    ["people", "hill"],
    ["He sees it"],
    ["woman", "sign", "rain"],
    ["no chairs", "table"],
    ["boats"],
]
RELATIONS = [
    ["dog sitting on a red couch", "red couch next to two cats"],
    ["man 's black and white hat"],
    [],
    [],
    [],
    ["woman holds up a sign", "woman in the rain"],
    ["no chairs to the left of the table"],
    [],
]


@Language.component("trees_by_hand")
def trees_by_hand(doc):
    for token, (_, pos, head, label) in zip(doc, ROWS[CAPTIONS.index(doc.text)], strict=True):
        token.pos_, token.dep_ = pos, label
        token.head = doc[int(head)]
    return doc


@Language.component("names", assigns=["doc.ents"])
def names(doc):
    raise AssertionError("a component that is not needed was run")


def pipeline(folder, *components, language="en"):
    nlp = spacy.blank(language)
    nlp.meta["name"] = "by_hand"
    for component in components:
        nlp.add_pipe(component)
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return pipeline(tmp_path_factory.mktemp("pipelines") / "trained", "names", "trees_by_hand")


def test_noun_chunks_follow_the_conventions_of_the_default_backend(trained):
    extract = build_extractor("spacy", pipeline=trained)
    assert extract.read_many(CAPTIONS) == CONCEPTS
    assert [extract(f"  {caption}\n") for caption in CAPTIONS] == CONCEPTS
    assert extract.read_many([]) == []


def test_relations_come_from_the_tree(trained):
    extract = build_extractor("spacy", pipeline=trained, relations=True)
    assert extract.read_many(CAPTIONS) == [a + b for a, b in zip(CONCEPTS, RELATIONS, strict=True)]


def test_determiners_can_be_kept(trained):
    extract = build_extractor("spacy", pipeline=trained, keep_determiners=True)
    assert extract(CAPTIONS[2]) == ["a black and white cat", "his toys"]
    assert extract(CAPTIONS[7]) == ["all the boats"]


def test_extractor_tells_its_pipeline_and_version_and_can_be_sent_to_another_process(trained):
    extract = build_extractor("spacy", pipeline=trained)
    assert extract.settings["pipeline"] == trained
    assert extract.version == f"spacy {spacy.__version__}, en_by_hand 0.0.0"
    assert pickle.loads(pickle.dumps(extract))(CAPTIONS[0]) == CONCEPTS[0]


def test_a_pipeline_that_is_missing_is_answered_with_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"'en_not_there'.*python -m spacy download en_not_there"):
        build_extractor("spacy", pipeline="en_not_there")
    with pytest.raises(UserError, match=r"none.*python -m spacy download en_core_web_sm"):
        build_extractor("spacy", pipeline=str(tmp_path / "none"))


def test_a_pipeline_without_a_parser_is_refused(tmp_path):
    extract = build_extractor("spacy", pipeline=pipeline(tmp_path / "blank"))
    with pytest.raises(UserError, match="lacks a parser or a tagger"):
        extract("a cat")


def test_a_language_without_noun_chunks_is_refused(tmp_path):
    folder = pipeline(tmp_path / "any", "trees_by_hand", language="xx")
    with pytest.raises(UserError, match="no noun chunks of the language 'xx'"):
        build_extractor("spacy", pipeline=folder)


def test_without_spacy_the_extra_is_named():
    code = "import sys; sys.modules['spacy'] = None; from rebind.concepts import build_extractor; "
    code += "build_extractor('spacy')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "UserError" in done.stderr
    assert "pip install 'rebind[spacy]'" in done.stderr
