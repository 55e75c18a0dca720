"""Rows of JSON Lines, CSV, TSV and Parquet files, each with its place in the file for error messages."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rebind.types import UserError

Row = dict[str, Any]
COLUMNS = ("key", "image", "file_name", "caption", "text", "captions")


def place(file: Path, number: int) -> str:
    """Name a row as :func:`read_rows` counts them: ``captions.csv, line 3`` (Parquet files have rows, not lines)."""
    return f"{file}, {'row' if file.suffix == '.parquet' else 'line'} {number}"


def read_rows(file: Path, columns: Sequence[str] = COLUMNS) -> Iterator[tuple[int, Row]]:
    """Yield (number, row) for each row of a ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet`` file.

    Of a Parquet file, only ``columns`` are read.

    Raises:
        UserError: naming the line that cannot be read.
    """
    if file.suffix not in READERS:
        raise UserError(f"{file} is no table; give a file that ends in {', '.join(READERS)}")
    try:
        yield from READERS[file.suffix](file, columns)
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def column_names(file: Path) -> list[str]:
    """The names of a file's columns: the header, or the fields of the first row.

    Raises:
        UserError: when they cannot be read.
    """
    if file.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        try:
            return list(parquet.read_schema(file).names)
        except pyarrow.ArrowException as error:
            raise UserError(f"{file} is not a readable Parquet file ({str(error).splitlines()[0]})") from error
    return next((list(row) for _, row in read_rows(file)), [])


def _read_jsonl(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place(file, number)}: invalid JSON ({error}); put one object a line") from None
            if not isinstance(row, dict):
                raise UserError(f"{place(file, number)}: expected a JSON object, found {type(row).__name__}")
            yield number, row


def _read_csv(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True, delimiter="\t" if file.suffix == ".tsv" else ",")
        try:
            for row in reader:
                if None in row:
                    raise UserError(
                        f"{place(file, reader.line_num)}: more fields than the header names; "
                        'put captions that hold commas in "quotes"'
                    )
                if "captions" in row:
                    row["captions"] = json.loads(row["captions"]) if row["captions"] else None
                yield reader.line_num, row
        except csv.Error as error:
            raise UserError(f"{place(file, reader.line_num + 1)}: invalid CSV from here on ({error})") from None
        except json.JSONDecodeError:
            raise UserError(f"{place(file, reader.line_num)}: `captions` must be a JSON list of texts") from None


def _read_parquet(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as table:
            found = [name for name in columns if name in table.schema_arrow.names]
            rows = (row for batch in table.iter_batches(columns=found) for row in batch.to_pylist())
            yield from enumerate(rows, start=1)
    except pyarrow.ArrowException as error:
        raise UserError(f"{file} is not a readable Parquet file ({str(error).splitlines()[0]})") from error


READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[tuple[int, Row]]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
}
