"""Tar archives with members as given."""

import io
import tarfile


def write_tar(path, members):
    """Write (name, text or bytes) pairs; returns the path."""
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            data = data.encode() if isinstance(data, str) else data
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
