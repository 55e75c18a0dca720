"""The table in its three dresses, against numbers computed from the files."""

import io

import numpy as np
from fake_runs import score, write_run
from rich.console import Console

from rebind.reports import markdown_table, print_table, summary_table, write_report
from rebind.reports.table import plus_minus


def cells(table, name):
    row = next(row for row in table.rows if row.name == name)
    return dict(zip((arm.label for arm in table.arms), row.cells, strict=True))


def test_arms_stand_in_the_order_of_the_story(runs):
    labels = [arm.label for arm in summary_table(list(reversed(runs))).arms]
    assert labels[:4] == ["base", "SigLIP", "CLIP", "C2LIP"]
    assert set(labels[4:]) == {"NPC alone", "XAC alone"}


def test_every_cell_is_the_mean_over_seeds(runs, raw_scores):
    table = summary_table(runs)
    for name, key in {
        "swap attribute": ("world", "swap_att", "accuracy"),
        "held-out pairings": ("world", "held_out", "accuracy"),
        "text → image R@5": ("world", "retrieval", "text_to_image_recall@5"),
        "zero-shot top-1": ("world", "zero_shot", "top1"),
        "retention top-1": ("world", "retention", "top1"),
    }.items():
        for label, cell in cells(table, name).items():
            values = [raw_scores[label, seed][key] for seed in (1, 2, 3)]
            assert np.isclose(cell.value, np.mean(values))
            assert cell.over_seeds


def test_every_score_of_the_files_has_a_row(runs, raw_scores):
    keys = {key for scores in raw_scores.values() for key in scores}
    assert len(summary_table(runs).rows) == len(keys) + 1  # and the mean of both swaps


def test_chance_is_given_for_foils_only(runs):
    table = summary_table(runs)
    assert {row.chance for row in table.rows if row.group == "Composition"} == {0.5}
    assert {row.chance for row in table.rows if row.group != "Composition"} == {None}


def test_columns_adapt_to_another_benchmark_and_to_gaps(tmp_path):
    photos = write_run(tmp_path, "C2LIP", 1, [score("retrieval", "test", "image_to_text_recall@1", 0.5, 40)])
    table = summary_table([photos])
    assert [row.name for row in table.rows] == ["image → text R@1"]
    assert "bootstrap" in table.note
    foils = write_run(tmp_path, "SigLIP", 1, [score("sugarcrepe", "swap_att", "accuracy", 0.6, 600)])
    table = summary_table([photos, foils])
    assert [row.group for row in table.rows] == ["Composition · sugarcrepe", "Retrieval · retrieval"]
    assert cells(table, "image → text R@1")["SigLIP"] is None


def recalls(benchmark, value):
    return [score(benchmark, "retrieval", f"{way}_recall@1", value) for way in ("image_to_text", "text_to_image")]


def test_every_block_of_several_benchmarks_is_named_and_none_of_a_single_one(tmp_path, runs):
    rows = [*recalls("coco", 0.4), *recalls("retrieval", 0.6), score("imagenet", "zero_shot", "top1", 0.7)]
    rows += [score("winoground", split, metric, 0.3) for split in ("macro", "micro") for metric in ("text", "group")]
    rows.append(score("coco", "retrieval", "coverage", 0.9))
    run = write_run(tmp_path, "C2LIP", 1, rows)
    groups = [
        *("Composition · winoground", "Retrieval · coco", "Retrieval · retrieval", "Classification · imagenet"),
        "Coverage · coco",
    ]
    stream = io.StringIO()
    print_table([run], Console(file=stream, width=80))
    for text, mark in ((stream.getvalue(), ""), (markdown_table([run]), "**")):
        places = [text.index(f"{mark}{group}{mark}") for group in groups]
        assert places == sorted(places)
        assert text.count("image → text R@1") == 2
    lines = markdown_table([run]).splitlines()
    assert {line.count("|") for line in lines if line.startswith("|")} == {4}
    assert " · " not in markdown_table(runs)


def test_what_an_evaluation_noted_is_said_once_with_its_arms(tmp_path):
    lacking, few = "coco: only 92.5 % of its items have an image", "sugarcrepe: 7,400 items"
    arms = {"base": [lacking], "SigLIP": [], "C2LIP": [lacking, few]}
    runs = [write_run(tmp_path, label, 1, notes=notes) for label, notes in arms.items()]
    wanted = [f"base and C2LIP: {lacking}", f"C2LIP: {few}"]
    assert summary_table(runs).warnings == wanted
    stream = io.StringIO()
    print_table(runs, Console(file=stream, width=200))
    write_report(runs, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (stream.getvalue(), markdown_table(runs), page):
        assert all(text.count(line) == 1 for line in wanted)


def test_the_terminal_table_fits_80_columns_without_cutting_a_number(runs):
    stream = io.StringIO()
    print_table(runs, Console(file=stream, width=80))
    printed = stream.getvalue()
    assert max(map(len, printed.splitlines())) <= 80
    assert "…" not in printed
    cell = cells(summary_table(runs), "swap object")["C2LIP"]
    assert f"{100 * cell.value:.1f}±{50 * (cell.high - cell.low):.1f}" in printed


def test_a_table_too_wide_for_the_terminal_comes_in_blocks(runs, tmp_path):
    more = [*runs, *(write_run(tmp_path, label, 1) for label in ("NegCLIP", "TripletCLIP"))]
    table = summary_table(more)
    for width, blocks in ((80, 2), (60, 3), (140, 1)):
        stream = io.StringIO()
        print_table(more, Console(file=stream, width=width))
        printed = stream.getvalue()
        assert printed.count("swaps, both") == printed.count("per cent") == blocks
        assert max(map(len, printed.splitlines())) <= width
        assert "…" not in printed
        assert all(plus_minus(cell) in printed for row in table.rows for cell in row.cells)


def test_markdown_is_a_rectangular_table_with_a_note(runs):
    text = markdown_table(runs)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {9}
    assert len(lines) == 2 + len(summary_table(runs).rows)
    assert "Student's t over seeds" in text


def test_a_label_with_a_bar_or_markup_breaks_nothing(tmp_path):
    run = write_run(tmp_path, "a|b [bold]x", 1)
    assert "a\\|b [bold]x" in markdown_table([run])
    stream = io.StringIO()
    print_table([run], Console(file=stream, width=120))
    assert "a|b [bold]x" in stream.getvalue()
