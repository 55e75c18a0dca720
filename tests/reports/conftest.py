import json

import pytest
from fake_runs import CENTRES, write_run


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Six arms, three seeds each."""
    root = tmp_path_factory.mktemp("runs")
    return [write_run(root, label, seed) for label in CENTRES for seed in (1, 2, 3)]


@pytest.fixture(scope="session")
def raw_scores(runs):
    """{(label, seed): {(benchmark, split, metric): value}} read straight from the files."""
    found = {}
    for run in runs:
        results = json.loads((run / "results.json").read_text())
        rows = {(row["benchmark"], row["split"], row["metric"]): row["value"] for row in results["scores"]}
        found[results["settings"]["label"], results["seed"]] = rows
    return found
