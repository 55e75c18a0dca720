import io
import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rebind.concepts import ConceptReport

LISTS = st.lists(st.lists(st.sampled_from(["dog", "cat", "old red hat", "mat", "big sky"]), unique=True), max_size=30)


@given(LISTS)
def test_counts_are_those_of_the_lists(lists):
    report = ConceptReport.of(iter(lists))
    counts = Counter(concept for concepts in lists for concept in concepts)
    assert report.as_dict(2) == {
        "captions": len(lists),
        "concepts": sum(map(len, lists)),
        "distinct_concepts": len(counts),
        "mean_per_caption": sum(map(len, lists)) / len(lists) if lists else 0.0,
        "without_noun_phrase": lists.count([]),
        "share_without_noun_phrase": lists.count([]) / len(lists) if lists else 0.0,
        "most_frequent": [
            {"concept": concept, "count": counts[concept]}
            for concept in sorted(counts, key=lambda concept: (-counts[concept], concept))[:2]
        ],
        "longest": sorted(counts, key=lambda concept: (-len(concept.split()), concept))[:5],
    }
    json.dumps(report.as_dict())


def test_images_with_several_captions_tell_how_many():
    report = ConceptReport.of([["dog", "it is"], ["cat"]], captions=10, without_noun_phrase=1)
    assert (report.captions, report.mean, report.share_without_noun_phrase) == (10, 0.3, 0.1)


def test_table_shows_the_head_of_the_list():
    console = Console(width=120, file=io.StringIO())
    console.print(ConceptReport.of([["[red]dog", "hat"], ["[red]dog"], []]).as_table(1))
    lines = [line.strip("│ ").split("│") for line in console.file.getvalue().splitlines() if "│" in line]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["captions", "3"],
        ["without a noun phrase, their own concept", "33.3%"],
        ["concepts", "3"],
        ["distinct concepts", "2"],
        ["concepts a caption", "1.00"],
        ["[red]dog", "2"],
    ]
