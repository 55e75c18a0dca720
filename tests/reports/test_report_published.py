"""Published numbers beside the measured ones."""

import io

import numpy as np
from fake_runs import score, write_run
from rich.console import Console

from rebind.reference import references
from rebind.reports import summary_table, write_report
from rebind.reports.arms import read_arms
from rebind.reports.published import published_rows, published_table, sources

SPLITS = ("add_obj", "add_att", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


def runs_on_photos(root):
    rows = [score("sugarcrepe", split, "accuracy", 0.6 + 0.02 * i) for i, split in enumerate(SPLITS)]
    rows += [score("imagenet", "val", "top1", 0.7), score("coco", "test", "image_to_text_recall@1", 0.5)]
    return [write_run(root, "SigLIP", 1, rows), write_run(root, "C2LIP", 1, rows[:5])]


def test_a_row_is_the_mean_that_was_published_beside_the_same_mean_here(tmp_path):
    rows = published_rows(read_arms(runs_on_photos(tmp_path)))
    by_name = {(row.benchmark, row.name): row for row in rows}
    add = by_name["sugarcrepe", "add"]
    assert np.isclose(add.cells[0].value, (0.6 + 0.62) / 2)
    assert by_name["sugarcrepe", "swap"].cells[1] is None  # C2LIP was not scored on swaps here
    assert {each.reference.model for each in add.published} >= {"SigLIP B/16", "C2LIP B/16", "NegCLIP B/32"}
    published = {
        each.model: number.value for each in references().values() if each.benchmark == "sugarcrepe"
        for number in each.numbers if number.name == "add"
    }  # fmt: skip
    assert {each.reference.model: round(100 * each.value, 1) for each in add.published} == published
    values = [each.value for each in add.published]
    assert values == sorted(values)
    assert ("coco", "mean R@5") not in by_name  # one direction is missing
    assert ("imagenet", "top-1") in by_name


def test_the_page_shows_them_with_their_source_and_apart_from_the_table(tmp_path):
    runs = runs_on_photos(tmp_path)
    page = write_report(runs, tmp_path / "page.html").read_text()
    assert "Beside published numbers" in page
    assert "NegCLIP B/32&nbsp;85.8" in page
    for source in sources(published_rows(read_arms(runs))):
        assert source in page
    assert all("B/32" not in row.name for row in summary_table(runs).rows)
    assert {arm.label for arm in summary_table(runs).arms} == {"SigLIP", "C2LIP"}


def test_runs_on_the_world_have_nothing_published_beside_them(runs, tmp_path):
    assert published_rows(read_arms(runs)) == []
    assert "Beside published numbers" not in write_report(runs, tmp_path / "page.html").read_text()


def test_the_terminal_shows_the_same(tmp_path):
    arms = read_arms(runs_on_photos(tmp_path))
    stream = io.StringIO()
    Console(file=stream, width=200).print(published_table(arms, published_rows(arms)))
    printed = stream.getvalue()
    assert "sugarcrepe · add" in printed
    assert "C2LIP B/16 94.2" in printed
    assert "61.0" in printed
