"""Unpacking archives of strangers: plain files and folders only, inside one folder, and no more than the disk holds."""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

from rebind.storage import disk_errors
from rebind.types import UserError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_SHOWN = 60  # characters of a name in a sentence
_OF_THE_PACKER = "__MACOSX"  # what a Mac adds beside the packed folder
_OF_THE_NAMES = {  # what the operating system says of names that no folder can hold
    errno.ENAMETOOLONG: "its name is too long",
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST), "a file and a folder have one name"),
}


class BadArchiveError(UserError):
    """What was fetched is no archive, is damaged, or would do harm: fetching it again may help, keeping it not."""


def unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack a zip, tar or compressed tar into a folder.

    Args:
        archive: the file; what it is, is seen from its content.
        folder: made if it is not there; files in it of the same names are replaced.
        name: what messages call the archive.

    Raises:
        BadArchiveError: when it is no archive, is damaged or encrypted, or holds a link, a device or a name that leads
            out of the folder or cannot be made; what was unpacked until then is left, here and below.
        UserError: when it unpacks to more bytes than are free, or the disk refuses.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(folder).free
        try:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as opened:
                    _unpack_zip(opened, folder, name, room)
            else:
                with tarfile.open(archive) as opened_tar:
                    _unpack_tar(opened_tar, folder, name, room)
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
            raise BadArchiveError(
                f"{name} cannot be unpacked ({' '.join(str(error).split())}); is the address right?"
            ) from error
        except OSError as error:
            if error.errno is None:  # a wrong checksum within the compression
                raise BadArchiveError(f"{name} cannot be unpacked ({error}); is the address right?") from error
            if error.errno in _OF_THE_NAMES:
                member = os.path.relpath(error.filename or folder, folder)[:_SHOWN]
                raise BadArchiveError(
                    f'{name} is refused: its member "{member}" cannot be made, since {_OF_THE_NAMES[error.errno]}'
                ) from error
            raise


def content(unpacked: Path, member: str, name: str) -> Path:
    """The file or folder that an archive was fetched for.

    Args:
        unpacked: the folder that it was unpacked into.
        member: path of the file or folder in the archive; if empty, the one folder in which all lies, else all.
        name: what messages call the archive.

    Raises:
        UserError: when there is no such member.
    """
    if member:
        if not (unpacked / member).exists():
            there = ", ".join(sorted(path.name for path in unpacked.iterdir())[:5])
            raise UserError(
                f"{name} holds no {member}, but {there or 'nothing'}; mend `member` in the list of addresses"
            )
        return unpacked / member
    tops = [path for path in unpacked.iterdir() if path.name != _OF_THE_PACKER]
    return tops[0] if len(tops) == 1 and tops[0].is_dir() else unpacked


def _unpack_zip(archive: zipfile.ZipFile, folder: Path, name: str, room: int) -> None:
    members = archive.infolist()
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        _check_member(member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), name)
    _check_room(sum(member.file_size for member in members), room, name)
    for member in members:
        archive.extract(member, folder)


def _unpack_tar(archive: tarfile.TarFile, folder: Path, name: str, room: int) -> None:
    """A compressed tar says how large its members are only as it is read: each is added up before it is written."""
    total = 0
    for member in archive:
        _check_member(member.name, member.isreg() or member.isdir(), name)
        total += member.size
        _check_room(total, room, name)
        archive.extract(member, folder, filter="data")


def _check_member(member: str, plain: bool, name: str) -> None:
    if not plain:
        raise BadArchiveError(f'{name} is refused: its member "{member}" is a link or a device, not a file or folder')
    path = PureWindowsPath(member)  # which knows both kinds of slashes, and drives
    if path.anchor or ".." in path.parts:
        raise BadArchiveError(f'{name} is refused: its member "{member}" leads out of the folder it is unpacked into')


def _check_room(size: int, room: int, name: str) -> None:
    if size > room:
        raise UserError(f"{name} is refused: it unpacks to {size:,} bytes or more, and {room:,} are free on the disk")
