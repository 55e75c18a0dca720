"""The folder of a benchmark: foils in SugarCrepe's format, what was held out, the report and the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from rebind import __version__
from rebind.data.broken import BrokenImageError
from rebind.data.source import Source
from rebind.foils.building import FoilSet
from rebind.foils.candidates import FoilPair
from rebind.foils.exposure import too_few
from rebind.foils.page import Card, render_page
from rebind.foils.pictures import below, picture_name, thumbnail
from rebind.foils.vetoes import Veto, merge_vetoes, read_vetoes
from rebind.storage import atomic_path, disk_errors, write_json
from rebind.types import UserError

REPORT = "report/foils.json"  # in a folder of its own: each .json beside the foils would be read as a family
HELD_OUT = "held_out.txt"
VETOES = "vetoes.jsonl"
PAGE = "foils.html"
_OF_FILE_MANAGERS = {".DS_Store", "Thumbs.db", "desktop.ini"}  # which put them into any folder that is looked at
_EMBEDDED = 2_000  # pictures within the page, some 7 kB each; if there are more, the page links to the files


@dataclass(frozen=True)
class Written:
    """Where the benchmark is and what is in it.

    Attributes:
        folder: what ``--annotations`` of an evaluation is.
        images: what ``--images`` is.
        page: to browse and veto.
        report: the content of ``report/foils.json``.
    """

    folder: Path
    images: Path
    page: Path
    report: dict[str, Any]


def earlier_vetoes(out: Path, file: Path | None = None) -> list[Veto]:
    """The vetoes in ``file`` and those that are in force in the folder ``out`` already.

    Raises:
        UserError: when one of the files is wrong, ``file`` does not exist, or ``out`` holds something else than foils.
    """
    _require_ours(out)  # before any foil is made
    kept = out / VETOES
    return merge_vetoes(read_vetoes(kept) if kept.is_file() else [], [] if file is None else read_vetoes(file))


def write_foils(foils: FoilSet, source: Source, out: Path, vetoes: Iterable[Veto] = ()) -> Written:
    """Write a benchmark that ``rebind eval MODEL --benchmark foils --annotations OUT --images …`` reads.

    ``OUT/<family>.json`` in SugarCrepe's format, ``held_out.txt``, ``vetoes.jsonl`` if there are any, ``foils.html``,
    ``report/foils.json``, and ``images/`` if the pictures are no files of the source's folder. The folder appears when
    it is whole, and replaces what this function wrote there earlier. Foils of pictures that cannot be decoded are left
    out, and counted with their pictures.

    Args:
        foils: from :func:`rebind.foils.build_foils`.
        source: the same as they were built from.
        out: folder to write.
        vetoes: what they were built without; kept in the folder, so that they stay in force.

    Raises:
        UserError: when there is no foil, or none has a picture; when ``out`` holds something else, or cannot be written
            to. What is in it then stays.
    """
    _require_ours(out)
    _require_foils(foils, source)
    shown = _earlier_foils(out)
    with atomic_path(out, folder=True) as folder:
        folder.mkdir()
        pictures = _Pictures(source, folder, out, embed=len({foil.row for foil in foils.foils}) <= _EMBEDDED)
        cards = [card for foil in foils.foils if (card := pictures.card(foil, shown)) is not None]
        if not cards:
            key, reason = next(iter(pictures.broken.items()))
            raise UserError(
                f"none of the {len(pictures.broken):,} pictures that foils were made for can be read ({key!r}: "
                f"{reason}); mend the pictures of {source.path}, or put them where it says that they are"
            )
        by_family: dict[str, dict[str, dict[str, str]]] = {}
        for card in cards:
            items = by_family.setdefault(card.foil.family, {})
            items[str(len(items))] = {
                "filename": card.filename,
                "caption": card.foil.caption,
                "negative_caption": card.foil.foil,
            }
        for family, items in by_family.items():
            write_json(folder / f"{family}.json", items)
        (folder / HELD_OUT).write_text("".join(map(_line, foils.held_out)), encoding="utf-8")
        lines = [veto.as_line() for veto in merge_vetoes(vetoes)]
        if lines:
            (folder / VETOES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        images = out if pictures.copied else source.root
        report = _report(foils, source, pictures.broken, len(lines))
        report |= {"foils": {family: len(items) for family, items in by_family.items()}}
        report |= {"without_picture": len(foils.foils) - len(cards), "files": sorted({*_files(folder), REPORT, PAGE})}
        write_json(folder / REPORT, report)
        (folder / PAGE).write_text(render_page(cards, foils, source.name, report), encoding="utf-8")
    return Written(out, images, out / PAGE, report)


class _Pictures:
    """Names and shows the picture of each foil, and copies those that are no files of the source's folder."""

    def __init__(self, source: Source, folder: Path, out: Path, embed: bool) -> None:
        self.source, self.folder, self.embed = source, folder, embed
        self.way = below(source.root, out)
        self.copied = False
        self.broken: dict[str, str] = {}
        self._shown: dict[int, tuple[str, str]] = {}  # row -> file name, what the page shows

    def card(self, foil: FoilPair, shown: set[tuple[str, str]] | None) -> Card | None:
        """The foil with its picture; None when that cannot be had."""
        if foil.key in self.broken:
            return None
        if foil.row not in self._shown:
            try:
                self._shown[foil.row] = self._show(foil.row)
            except BrokenImageError as error:
                self.broken[foil.key] = str(error)
                return None
        filename, picture = self._shown[foil.row]
        return Card(foil, filename, picture, is_new=shown is not None and (filename, foil.foil) not in shown)

    def _show(self, row: int) -> tuple[str, str]:
        name, image = picture_name(self.source, row)
        if isinstance(image, Path):
            shown = thumbnail(image)  # also proves that it can be decoded
            return name, shown if self.embed else quote(self.way + name)
        shown = thumbnail(image)
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(image)
        self.copied = True
        return name, shown if self.embed else quote(name)


def _report(foils: FoilSet, source: Source, broken: dict[str, str], vetoes: int) -> dict[str, Any]:
    def scores(family: str) -> dict[str, Any]:
        if (refinement := foils.refinements.get(family)) is None:
            return {}
        both = {"before": refinement.before, "after": refinement.after}
        judged = {when: {name: vars(score) for name, score in scores.items()} for when, scores in both.items()}
        verdict = {"exposed_to": foils.exposed.get(family, []), "too_few": too_few(refinement.after)}
        return judged | verdict | {"dropped": family in foils.dropped, "one_sided": list(refinement.one_sided)}

    return {
        "rebind": __version__,
        "source": source.name,
        "settings": vars(foils.settings) | {"families": list(foils.tally)},
        "samples": len(source),
        "held_out": len(foils.held_out),
        "vetoes": vetoes,
        "vetoes_unmatched": [{"filename": veto.filename, "foil": veto.foil} for veto in foils.unmatched],
        "broken_images": [{"key": key, "reason": reason} for key, reason in broken.items()],
        "families": {family: counts | scores(family) for family, counts in foils.tally.items()},
    }


def _line(key: str) -> str:
    if len(key.splitlines()) > 1:
        raise UserError(f"the key {key!r} holds a line break; give the samples keys that fit on a line")
    return key + "\n"


def _require_ours(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier benchmark of ours, since it will be replaced as a whole."""
    if out.is_file():
        raise UserError(f"{out} is a file; choose a folder")
    with disk_errors(out):
        stranger = next(_strangers(out), None)
    if stranger is not None:
        raise UserError(
            f"{out} holds {stranger}, which was not written by `rebind foils`; move it away or choose another folder"
        )


def _strangers(out: Path) -> Iterator[str]:
    """What is in a folder and not ours, the top of it first: nobody waits until a whole disk was looked through."""
    ours = {*_earlier_report(out).get("files", []), VETOES}  # earlier versions list folders for all that is in them
    tops = {name.partition("/")[0] for name in ours}
    top = sorted(path.name for path in out.iterdir()) if out.is_dir() else ()
    for name in chain((name for name in top if name not in tops), _files(out)):
        path = PurePosixPath(name)
        if path.name not in _OF_FILE_MANAGERS and ours.isdisjoint(map(str, (path, *path.parents))):
            yield name


def _require_foils(foils: FoilSet, source: Source) -> None:
    if foils.foils:
        return
    if foils.dropped:
        mend = f"; `--families {','.join(foils.dropped)}` keeps what blind readers tell"
    else:
        mend = "; give more captioned images, a larger share, or more captions of each image"
    looked = sum(counts.get("candidates", 0) for counts in foils.tally.values())
    raise UserError(f"no foil is left of the {looked:,} candidates of {source.path}{mend}")


def _files(folder: Path) -> Iterator[str]:
    """Every file in a folder, links among them, by its path from there."""
    every = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return (path.relative_to(folder).as_posix() for path in every)


def _earlier_report(out: Path) -> dict[str, Any]:
    try:
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent or not ours: then nothing in the folder is
        return {}
    return report if isinstance(report, dict) else {}


def _earlier_foils(out: Path) -> set[tuple[str, str]] | None:
    """File name and text of each foil that is in the folder already; None when it holds no benchmark."""
    families = _earlier_report(out).get("foils")
    if families is None:
        return None
    items = (json.loads((out / f"{name}.json").read_text(encoding="utf-8")).values() for name in families)
    return {(item["filename"], item["negative_caption"]) for family in items for item in family}
