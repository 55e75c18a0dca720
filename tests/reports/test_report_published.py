"""Published numbers beside the measured ones."""

import io
import re

import numpy as np
from fake_runs import score, write_run
from rich.console import Console

from rebind.reference import references
from rebind.reports import print_table, summary_table, write_report
from rebind.reports.arms import read_arms
from rebind.reports.plots import category_plot, published_plot
from rebind.reports.published import print_published, published_tables, published_values, sources

SPLITS = ("add_obj", "add_att", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


def runs_on_photos(root):
    rows = [score("sugarcrepe", split, "accuracy", 0.6 + 0.02 * i) for i, split in enumerate(SPLITS)]
    rows += [score("imagenet", "val", "top1", 0.7), score("coco", "test", "image_to_text_recall@1", 0.5)]
    return [write_run(root, "SigLIP", 1, rows), write_run(root, "C2LIP", 1, rows[:5])]


def value_of(table, name, measure):
    """Of the one line of that name."""
    (line,) = [line for line in table.lines if line.name == name]
    return line.values[[each.name for each in table.measures].index(measure)]


def test_a_line_holds_the_means_that_were_published_beside_the_same_means_here(tmp_path):
    tables = published_tables(read_arms(runs_on_photos(tmp_path)))
    by_measure = {(table.benchmark, measure.name): table for table in tables for measure in table.measures}
    add = by_measure["sugarcrepe", "add"]
    assert [measure.name for measure in add.measures] == ["add", "replace", "swap"]
    assert np.isclose(value_of(add, "SigLIP", "add"), (0.6 + 0.62) / 2)
    assert value_of(add, "C2LIP", "swap") is None  # C2LIP was not scored on swaps here
    published = {
        each.model: number.value for each in references().values() if each.benchmark == "sugarcrepe"
        for number in each.numbers if number.name == "add"
    }  # fmt: skip
    assert {line.name: round(100 * line.values[0], 1) for line in add.lines if not line.measured} == published
    assert ("coco", "mean R@5") not in by_measure  # one direction is missing
    assert ("imagenet", "top-1") in by_measure
    assert [table.benchmark for table in tables] == ["sugarcrepe", "sugarcrepe", "imagenet", "coco"]  # as in the runs


def test_the_best_come_first_and_those_that_lack_a_measure_last(tmp_path):
    add, *_ = published_tables(read_arms(runs_on_photos(tmp_path)))
    whole = [sum(line.values) for line in add.lines if None not in line.values]
    assert whole == sorted(whole, reverse=True)
    assert [line.name for line in add.lines if None in line.values] == ["C2LIP"] == [add.lines[-1].name]


def test_the_page_shows_them_with_their_source_and_apart_from_the_table(tmp_path):
    runs = runs_on_photos(tmp_path)
    page = write_report(runs, tmp_path / "page.html").read_text()
    assert "Beside published numbers" in page
    assert "NegCLIP B/32<sup>" in page
    for source in sources(published_tables(read_arms(runs))):
        assert source in page
    assert all("B/32" not in row.name for row in summary_table(runs).rows)
    assert {arm.label for arm in summary_table(runs).arms} == {"SigLIP", "C2LIP"}


def test_the_figure_has_a_grey_tick_for_each_published_number_of_a_category(tmp_path):
    arms = read_arms(runs_on_photos(tmp_path))
    values = published_values(arms)
    swap = frozenset({("sugarcrepe", "swap_att", "accuracy")})
    assert {round(100 * value, 1) for value in values[swap]} == {60.1, 53.6, 56.8}  # TripletCLIP's table
    wanted = sum(len(values[frozenset({("sugarcrepe", split, "accuracy")})]) for split in SPLITS)
    assert wanted == 21
    plot = category_plot(arms)
    assert plot.count("stroke: var(--muted); stroke-opacity: 0.5") == wanted
    assert plot.index("LineCollection_1") < plot.index("var(--arm-")  # behind the dots


def test_runs_on_the_world_have_nothing_published_beside_them(runs, tmp_path):
    assert published_tables(read_arms(runs)) == []
    assert published_plot(read_arms(runs), []) is None
    page = write_report(runs, tmp_path / "page.html").read_text()
    assert "Beside published numbers" not in page
    assert "published by others" not in page
    stream = io.StringIO()
    print_table(runs, Console(file=stream, width=80))
    assert "published" not in stream.getvalue()


def test_the_figure_stands_beside_as_many_rows_as_there_are_narrow_tables(tmp_path):
    """A figure over two rows that has one table beside it leaves a band empty above the next."""
    rows = [score("sugarcrepe", split, "accuracy", 0.6) for split in SPLITS]
    runs = [write_run(tmp_path, "C2LIP", 1, rows)]
    assert [table.wide for table in published_tables(read_arms(runs))] == [False, True]
    assert '<figure class="tall">' not in write_report(runs, tmp_path / "page.html").read_text()
    runs.append(write_run(tmp_path, "SigLIP", 1, [*rows, score("imagenet", "val", "top1", 0.7)]))
    assert '<figure class="tall">' in write_report(runs, tmp_path / "page.html").read_text()


def test_the_terminal_shows_those_that_are_asked_for(tmp_path):
    stream = io.StringIO()
    print_published(read_arms(runs_on_photos(tmp_path)), Console(file=stream, width=80), {"imagenet", "world"})
    assert "imagenet" in stream.getvalue()
    assert "sugarcrepe" not in stream.getvalue()


def test_the_terminal_shows_the_same_dimmed_below_the_table(tmp_path):
    runs = runs_on_photos(tmp_path)
    stream = io.StringIO()
    print_table(runs, Console(file=stream, width=80, force_terminal=True, color_system="standard"))
    lines = stream.getvalue().splitlines()
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) <= 80
    theirs, *_ = [line for line in lines if "C2LIP B/16 [1]" in line]
    assert "94.2" in theirs
    assert theirs.startswith("\x1b[2m")
    (ours,) = [line for line in lines if line.startswith("SigLIP ") and "61.0" in line and "B/16" not in line]
    assert "\x1b[2m" not in ours
    whole = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines)
    for number, source in enumerate(sources(published_tables(read_arms(runs))), start=1):
        assert f"[{number}] {source}" in " ".join(whole.split())
