"""Images that img2dataset could not download: counted by reason, from what it writes beside its shards."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rebind.types import UserError

SUCCESS = "success"


def failed_downloads(shard: Path) -> Counter[str]:
    """Count the failures of one shard: from ``<shard>_stats.json``, else from ``<shard>.parquet``, else none.

    img2dataset (https://github.com/rom1504/img2dataset) writes ``00000.tar`` with the images it got, ``00000.parquet``
    with a row for every URL (``status``, ``error_message``), and ``00000_stats.json`` with counts by error message.

    Raises:
        UserError: naming the file that cannot be read.
    """
    stats, table = shard.with_name(f"{shard.stem}_stats.json"), shard.with_suffix(".parquet")
    if stats.is_file():
        return _of_stats(stats)
    return _of_table(table) if table.is_file() else Counter()


def _of_stats(file: Path) -> Counter[str]:
    try:
        counts = json.loads(file.read_text(encoding="utf-8"))["status_dict"]
        return Counter({reason: int(count) for reason, count in counts.items() if reason != SUCCESS})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{file} is not a statistics file of img2dataset with counts in `status_dict`; mend or remove it"
        ) from error


def _of_table(file: Path) -> Counter[str]:
    import pyarrow
    from pyarrow import parquet

    failures: Counter[str] = Counter()
    try:
        with parquet.ParquetFile(file) as table:
            columns = [name for name in ("status", "error_message") if name in table.schema_arrow.names]
            if "status" in columns:
                for batch in table.iter_batches(columns=columns):
                    for row in batch.to_pylist():
                        if row["status"] != SUCCESS:
                            failures[row.get("error_message") or str(row["status"])] += 1
    except pyarrow.ArrowException as error:
        raise UserError(f"{file} is not a readable Parquet file; mend or remove it") from error
    return failures
