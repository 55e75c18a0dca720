"""Fetching the files of benchmarks that are missing below a data root, from the addresses of a list."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from rebind.benchmarks.downloading import http_files, hub_files
from rebind.benchmarks.downloading.addresses import HUB, Source, missing, read_sources
from rebind.benchmarks.downloading.archives import BadArchiveError, content, unpack
from rebind.benchmarks.downloading.http_files import Patience, Promise
from rebind.benchmarks.kinds import BenchmarkKind
from rebind.storage import disk_errors, only_writer
from rebind.types import UserError

PATIENCE = Patience()


def download(
    kinds: Mapping[str, BenchmarkKind],
    root: Path | None,
    given: Mapping[str, Mapping[str, str]],
    addresses: Path | None = None,
    say: Callable[[str], object] = print,
    patience: Patience = PATIENCE,
) -> None:
    """Fetch what is missing of some benchmarks, unpack archives, and lay all at the places of their layouts.

    Every address is printed with its size before anything is fetched. What is there is not touched. What was fetched
    when a process is killed is continued by the next.

    Args:
        kinds: the benchmarks by name.
        root: the data root; None where nothing lies below one.
        given: for each benchmark those of its files that are given by themselves, by name.
        addresses: a list of addresses in place of the package's.
        say: what prints a line.
        patience: how long servers are waited for.

    Raises:
        UserError: when something cannot be downloaded, is not as promised, or does not fit on the disk.
    """
    wanted = [] if root is None else lacking(kinds, root, given, addresses)
    for name, kind in kinds.items():
        if kind.fetch is not None:
            kind.fetch(say, **given.get(name, {}))
    if wanted and root is not None:
        with only_writer(root):
            _fetch_all(wanted, root, say, patience)


def lacking(
    kinds: Mapping[str, BenchmarkKind],
    root: Path,
    given: Mapping[str, Collection[str]],
    addresses: Path | None = None,
) -> list[Source]:
    """What :func:`download` would fetch below a data root, found out without asking anybody.

    Raises:
        UserError: when something is missing that cannot be downloaded.
    """
    known, wanted = read_sources(addresses), dict[Source, None]()
    for name, kind in kinds.items():
        lack = missing(kind, known, root, given.get(name, ()))
        if lack.elsewhere:
            places = " and ".join(str(root / place) for place in lack.elsewhere)
            origin = f"get it from {kind.source}" if kind.source else "`rebind eval --list` says what it is"
            raise UserError(f"benchmark {name}: {places} cannot be downloaded for you, so nothing was; {origin}")
        wanted |= dict.fromkeys(lack.sources)
    return list(wanted)


def _fetch_all(wanted: list[Source], root: Path, say: Callable[[str], object], patience: Patience) -> None:
    groups: dict[tuple[str, ...], list[Source]] = {}
    for source in wanted:
        groups.setdefault(source.addresses, []).append(source)
    to_fetch = [sources for sources in groups.values() if not _unpacked(sources, root).exists()]
    promises = {address: _ask(address, patience) for sources in to_fetch for address in sources[0].addresses}
    need = 0
    for sources in to_fetch:
        places = " and ".join(str(root / source.place) for source in sources)
        for address, path in _fetched(sources, root).items():
            promise = promises[address]
            many = f" in {promise.files} files" if promise.files > 1 else ""
            say(f"{address}: {_bytes(promise.size)}{many} → {places}")
            need += (1 + sources[0].packed) * (promise.size or 0) - _kept(address, path, promise)
    sizes = [promise.size for promise in promises.values()]
    if sizes:
        unknown = f", and {sizes.count(None)} of unknown size" if None in sizes else ""
        say(f"Total: {_bytes(sum(size or 0 for size in sizes))}{unknown}")
    free = shutil.disk_usage(root).free
    if need > free:
        raise UserError(
            f"the disk of {root} has {free:,} bytes free, and the download needs {need:,} (archives count twice, since "
            "they are unpacked); free some space or choose another --data-root"
        )
    with _progress(sum(size or 0 for size in sizes), len(promises)) as report:
        for sources in groups.values():
            _install(sources, root, promises, patience, report)


def _install(
    sources: list[Source],
    root: Path,
    promises: Mapping[str, Promise],
    patience: Patience,
    report: Callable[[str, int], object],
) -> None:
    """Fetch what is at the same addresses, and lay out what each source wants of it."""
    unpacked = _unpacked(sources, root)
    if not unpacked.exists():
        for address, path in _fetched(sources, root).items():
            _fetch(address, path, promises[address], patience, sources[0].sha256, partial(report, address))
    if not sources[0].packed:
        return
    if not unpacked.exists():
        _unpack(_fetched(sources, root), unpacked)
    for source in sources:
        chosen = content(unpacked, source.member, sources[0].addresses[0])
        with disk_errors(root / source.place):
            (root / source.place).parent.mkdir(parents=True, exist_ok=True)
            chosen.rename(root / source.place)
    shutil.rmtree(unpacked.parent)


def _fetch(
    address: str, path: Path, promise: Promise, patience: Patience, sha256: str, report: Callable[[int], object]
) -> None:
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():  # an archive that a killed process had fetched
        report(path.stat().st_size)
    elif address.startswith(HUB):
        hub_files.fetch(address, path, report)
    else:
        http_files.fetch(address, path, promise, patience, sha256, report)


def _unpack(archives: Mapping[str, Path], folder: Path) -> None:
    """Unpack archives into one new folder, and remove them; of several one that is no good is removed alone."""
    unfinished = folder.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for address, path in archives.items():
        try:
            unpack(path, unfinished, address)
        except UserError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            if isinstance(error, BadArchiveError):
                path.unlink()
                if len(archives) == 1:
                    shutil.rmtree(folder.parent)
            raise
    unfinished.rename(folder)
    for path in archives.values():
        path.unlink()


def _fetched(sources: list[Source], root: Path) -> dict[str, Path]:
    """Where each address is fetched to: the place itself, or for archives a folder beside it."""
    if not sources[0].packed:
        return {sources[0].addresses[0]: root / sources[0].place}
    workplace = _workplace(sources, root)
    return {address: workplace / f"{i}-{_name(address)}" for i, address in enumerate(sources[0].addresses)}


def _workplace(sources: list[Source], root: Path) -> Path:
    """The folder of archives and what is unpacked from them, on the disk of the place that they are for."""
    addresses = sources[0].addresses
    digest = blake2b(" ".join(addresses).encode(), digest_size=4).hexdigest()
    return (root / sources[0].place).with_name(f".{_name(addresses[0])}.{digest}.download")


def _unpacked(sources: list[Source], root: Path) -> Path:
    """The content of archives; it is whole if it is there, and a killed process may have left it."""
    return _workplace(sources, root) / "unpacked"


def _name(address: str) -> str:
    return unquote(PurePosixPath(urlsplit(address).path).name)


def _ask(address: str, patience: Patience) -> Promise:
    return hub_files.ask(address) if address.startswith(HUB) else http_files.ask(address, patience)


def _kept(address: str, path: Path, promise: Promise) -> int:
    if path.is_file():
        return path.stat().st_size
    return 0 if address.startswith(HUB) else http_files.kept_bytes(address, path, promise)


@contextmanager
def _progress(total: int, count: int) -> Iterator[Callable[[str, int], object]]:
    """A bar of all bytes on a terminal; what is yielded takes an address and how many of its bytes are there."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console, done = Console(stderr=True), dict[str, int]()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"downloading {count} file{'s' * (count > 1)}", total=total or None)

        def report(address: str, size: int) -> None:
            done[address] = size
            progress.update(task, completed=sum(done.values()))

        yield report


def _bytes(size: int | None) -> str:
    return "size unknown" if size is None else f"{size:,} bytes"
