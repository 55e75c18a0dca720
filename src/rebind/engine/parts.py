"""A folder of parts: each written whole or not at all, and known to be current by a digest of what it was made of."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from rebind.engine.stage import Item, Made, total
from rebind.storage import atomic_path, disk_errors, only_writer, write_json
from rebind.types import UserError

SETTINGS = "settings.json"
REPORT = "report.json"  # written last: a folder without one is not finished
CANDIDATES = "candidates"  # within the folder of a stage that chooses: that of the stage whose rows it chooses from
_RECORDS = "parts"
_RETIRED = {"base_url", "frequent_concepts", "lexicon"}  # settings that earlier versions wrote down
_RECORDED = frozenset({"made_of", "rows", "tally"})


def digest(items: list[Item]) -> str:
    """A fingerprint of items that differs when any of them changes."""
    return blake2b(json.dumps(items, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Parts:
    """The folder of one annotation.

    ``part-00000.jsonl`` (or ``.tar``, when rows hold pictures) and so on are the parts, ``parts/00000.json`` says of
    each what it was made of and what was counted, ``settings.json`` how all were made. ``report.json`` sums up the
    counts; it stands only where every part is up to date.

    Attributes:
        folder: where they lie.
        extension: ``jsonl`` or ``tar``.
    """

    folder: Path
    extension: str

    @contextmanager
    def opened(self, settings: dict[str, Any]) -> Iterator[None]:
        """Claim the folder for these settings, for as long as the block runs.

        A command that failed before its first part has claimed nothing.

        Raises:
            UserError: when another process writes here, or what is here was made with other settings.
        """
        with only_writer(self.folder):
            file = self.folder / SETTINGS
            if file.is_file() and any(self.folder.rglob("part-*")):
                self._require_same(_read(file), settings)
            elif not file.is_file() and any(path.name[0] != "." for path in self.folder.iterdir()):
                raise UserError(f"{self.folder} holds files that were not made here; move them or choose another place")
            else:
                write_json(file, settings)
            for left in self.folder.rglob(".*.partial"):  # of a process that was killed, or whose parent was, just now
                left.unlink(missing_ok=True)
            yield

    def path(self, number: int) -> Path:
        """The file of one part."""
        return self.folder / f"part-{number:05d}.{self.extension}"

    def settings(self) -> dict[str, Any]:
        """How all parts were made; empty where nothing says so.

        Raises:
            UserError: when that is damaged.
        """
        file = self.folder / SETTINGS
        return _read(file) if file.is_file() else {}

    def records(self) -> dict[int, dict[str, Any]]:
        """Of each part by its number, in order: ``made_of``, the :func:`digest` of its items, ``rows``, ``tally``.

        Raises:
            UserError: when a record is damaged.
        """
        numbers = sorted(int(record.stem) for record in (self.folder / _RECORDS).glob("*.json"))
        return {number: self._recorded(number) for number in numbers}

    def is_current(self, number: int, items: list[Item], corpus: str = "") -> bool:
        """Whether a part is there and was made of these items, and with the same ``corpus`` in mind."""
        try:
            record = {"corpus": "", **self._recorded(number)}
        except (FileNotFoundError, UserError):  # what is damaged is made anew
            return False
        made_of = {"made_of": digest(items), "corpus": corpus}
        return self.path(number).is_file() and made_of.items() <= record.items()

    def write(self, number: int, items: list[Item], made: Made, corpus: str = "") -> None:
        """Write a part, and then that it is there; in between, nothing says of what it was made."""
        record = self._record(number)
        with disk_errors(record):
            record.unlink(missing_ok=True)
        with atomic_path(self.path(number)) as temporary:
            _WRITERS[self.extension](temporary, made.rows)
        made_of = {"made_of": digest(items)} | ({"corpus": corpus} if corpus else {})
        write_json(record, {**made_of, "rows": len(made.rows), "tally": made.tally})

    def begin(self) -> None:
        """Take back that the folder is finished."""
        (self.folder / REPORT).unlink(missing_ok=True)

    def finish(self, count: int) -> dict[str, Any]:
        """Remove parts beyond ``count``, write the report and return it."""
        there = (*self.folder.glob(f"part-*.{self.extension}"), *(self.folder / _RECORDS).glob("*.json"))
        if surplus := [number for path in there if (number := int(path.stem.removeprefix("part-"))) >= count]:
            self.begin()
        for number in surplus:
            self.path(number).unlink(missing_ok=True)
            self._record(number).unlink(missing_ok=True)
        records = [self._recorded(number) for number in range(count)]
        rows, tally = sum(record["rows"] for record in records), total([record["tally"] for record in records])
        report = {"parts": count, "rows": rows, "tally": tally}
        write_json(self.folder / REPORT, report)
        return report

    def _record(self, number: int) -> Path:
        return self.folder / _RECORDS / f"{number:05d}.json"

    def _recorded(self, number: int) -> dict[str, Any]:
        return _read(self._record(number), _RECORDED)

    def _require_same(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        now = json.loads(json.dumps(now))
        # In the order of the stage, which puts first what others follow from; the size of a part follows from them all.
        for name in sorted({**now, **before}, key="part_size".__eq__):
            if name not in _RETIRED and before.get(name) != now.get(name):
                there, asked = (_short(each[name]) if name in each else "nothing" for each in (before, now))
                raise UserError(
                    f"{self.folder} was made with other settings ({name}: {there} there, {asked} asked for); "
                    "remove that folder to make it anew, or ask for the same settings"
                )


@dataclass(frozen=True)
class PartBlocks:
    """The rows of a finished folder as the input of another stage: its parts are the blocks.

    Attributes:
        folder: of JSON lines.
        rows: of each part.
    """

    folder: Path
    rows: tuple[int, ...]

    @classmethod
    def of(cls, folder: Path) -> PartBlocks:
        """Look at what is there."""
        return cls(folder, tuple(record["rows"] for record in Parts(folder, "jsonl").records().values()))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> list[Item]:
        with Parts(self.folder, "jsonl").path(number).open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def __iter__(self) -> Iterator[list[Item]]:
        return (self[number] for number in range(len(self)))

    @property
    def items(self) -> int:
        """How many rows there are."""
        return sum(self.rows)


def join_parts(parts: Parts, out: Path) -> None:
    """Put the JSON lines of all parts into one file and remove the folder."""
    with atomic_path(out) as temporary, temporary.open("wb") as whole:
        for number in range(_read(parts.folder / REPORT)["parts"]):
            with parts.path(number).open("rb") as part:
                shutil.copyfileobj(part, whole)
    shutil.rmtree(parts.folder)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _read(file: Path, fields: frozenset[str] = frozenset()) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not content.keys() >= fields:
        what = "it" if fields else "the folder that it is in"  # without a record, its part alone is made anew
        raise UserError(f"{file} is damaged; remove {what}, and give the command again")
    return content


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_pictures(path: Path, rows: list[dict[str, Any]]) -> None:
    """A WebDataset shard: ``key.png|jpg``, ``key.txt`` with the caption, and ``key.json`` with any other fields."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
        for row in rows:
            extension = "png" if row["image"].startswith(b"\x89PNG") else "jpg"
            others = {name: value for name, value in row.items() if name not in ("key", "image", "caption")}
            members = {extension: row["image"], "txt": row["caption"].encode()}
            if others:
                members["json"] = json.dumps({"key": row["key"], **others}, ensure_ascii=False).encode()
            for suffix, data in members.items():
                member = tarfile.TarInfo(f"{row['key']}.{suffix}")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))


_WRITERS = {"jsonl": _write_lines, "tar": _write_pictures}
