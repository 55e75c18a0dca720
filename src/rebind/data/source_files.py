"""Source files: a few lines of YAML that describe a source which a path alone cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from rebind.data.folder import names
from rebind.data.hugging_face import HuggingFaceSource, Table, load_table, stream_table
from rebind.data.negclip import NegclipSource
from rebind.data.opening import open_source
from rebind.data.recaptioned import RecaptionedSource
from rebind.data.source import Source
from rebind.types import BrokenSample, Sample, UserError


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Description(_Fields, ABC):
    """One kind of source."""

    @abstractmethod
    def open(self, file: Path, annotations: Path) -> Source:
        """The source that ``file`` describes; its annotations lie in the folder given."""

    @property
    def is_stream(self) -> bool:
        """Whether its samples can be had one after the other only."""
        return False

    def stream(self, file: Path, start: int) -> Iterator[Sample | BrokenSample]:
        """Its samples from number ``start``, if it is a stream."""
        raise TypeError(f"{file} describes no stream")


class _Dataset(_Description, ABC):
    """What the library ``datasets`` loads.

    Attributes:
        config: configuration of the dataset.
        split: which split.
        key: column whose values all differ; the rows are counted when None.
        streaming: read it over the network while it is packed or inspected, without random access.
    """

    config: str | None = None
    split: str = "train"
    key: str | None = None
    streaming: bool = False

    @abstractmethod
    def table(self, file: Path) -> Table:
        """The dataset, loaded."""

    def open(self, file: Path, annotations: Path) -> Source:
        if self.is_stream:
            raise UserError(
                f"{file} is a stream, which cannot be read in any order; write it into shards first, "
                f"`rebind data pack {file} --out DIR`, and use these"
            )
        return HuggingFaceSource(self.table(file), file, annotations)

    @property
    def is_stream(self) -> bool:
        return self.streaming

    def stream(self, file: Path, start: int) -> Iterator[Sample | BrokenSample]:
        return stream_table(self.table(file), start)

    def _load(self, name: str, file: Path, **columns: str | None) -> Table:
        options = {"config": self.config, "split": self.split, "streaming": self.streaming}
        return load_table(name, file.parent, {"key": self.key, **columns}, **options)


class _HuggingFace(_Dataset):
    """A dataset of the hub, or in a folder.

    Attributes:
        huggingface: name on the hub, or a folder written by ``save_to_disk`` or holding data files.
        image: column; guessed where it is obvious.
        caption: column; guessed where it is obvious.
    """

    huggingface: str
    image: str | None = None
    caption: str | None = None

    def table(self, file: Path) -> Table:
        return self._load(self.huggingface, file, image=self.image, caption=self.caption)


class _Triplets(_Dataset):
    """TripletData (TripletCLIP, arXiv 2411.02545): each row has a negative caption and a picture of it.

    Attributes:
        triplets: tar shards, a pattern of Parquet files, a folder of either, or a name on the hub.
        image, caption, neg_image, neg_caption: columns of Parquet files and datasets.
    """

    triplets: str
    image: str = "image"
    caption: str = "caption"
    neg_image: str = "neg_image"
    neg_caption: str = "neg_caption"

    def open(self, file: Path, annotations: Path) -> Source:
        local = file.parent / self.triplets
        if local.suffix == ".tar" or (local.is_dir() and any(local.glob("*.tar"))):
            source = open_source(local)
            source.path, source.root, source.annotations = file, file.parent, annotations
        else:
            source = super().open(file, annotations)
        if not source.has_negatives:
            raise UserError(
                f"{file}: {self.triplets} holds no negative captions; describe it as another kind of source"
            )
        return source

    def table(self, file: Path) -> Table:
        negatives = {"negative_image": self.neg_image, "negative_caption": self.neg_caption}
        return self._load(self.triplets, file, image=self.image, caption=self.caption, **negatives)


class _Negclip(_Description):
    """The training file of NegCLIP.

    Attributes:
        negclip: the TSV.
        images: the folder that its image paths are relative to.
    """

    negclip: str
    images: str = "."

    def open(self, file: Path, annotations: Path) -> Source:
        return NegclipSource(file.parent / self.negclip, file, annotations, file.parent / self.images)


class _Captions(_Fields):
    """Captions from a table.

    Attributes:
        file: CSV, TSV, JSON Lines or Parquet.
        column: one column, or several.
        by: what tells which row belongs to which sample.
    """

    file: str
    column: str | list[str]
    by: Literal["url", "key"] = "key"


class _Recaptioned(_Description):
    """Another source with other captions.

    Attributes:
        source: anything that :func:`open_source` opens, relative to the file's folder, or a description.
        captions: where the captions come from.
    """

    source: str | dict[str, Any]
    captions: _Captions

    def open(self, file: Path, annotations: Path) -> Source:
        if isinstance(self.source, str):
            source = open_source(file.parent / self.source)
        else:
            source = _describe(self.source, file).open(file, annotations)
        columns = [self.captions.column] if isinstance(self.captions.column, str) else self.captions.column
        table = file.parent / self.captions.file
        return RecaptionedSource(source, file, annotations, table, columns, self.captions.by)


_KINDS: dict[str, type[_Description]] = {
    "source": _Recaptioned,
    "huggingface": _HuggingFace,
    "triplets": _Triplets,
    "negclip": _Negclip,
}


def open_source_file(file: Path, annotations: Path) -> Source:
    """Open the source that a YAML file describes.

    Raises:
        UserError: naming the file and the field that is wrong, or what is wrong with the source.
    """
    try:
        return _read(file).open(file, annotations)
    except RecursionError:
        raise _endless(file) from None


def describes_stream(file: Path) -> bool:
    """Whether a source file describes samples that can be had one after the other only."""
    return _read(file).is_stream


def stream_source_file(file: Path, start: int) -> Iterator[Sample | BrokenSample]:
    """The samples from number ``start`` of a described stream.

    Raises:
        UserError: as :func:`open_source_file`.
    """
    return _read(file).stream(file, start)


def _read(file: Path) -> _Description:
    try:
        return _describe(yaml.safe_load(file.read_text(encoding="utf-8")), file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not readable YAML ({' '.join(str(error).split())})") from error
    except RecursionError:
        raise _endless(file) from None


def _endless(file: Path) -> UserError:
    return UserError(f"{file} describes a source of a source without end; let the field `source` name another one")


def _describe(fields: Any, file: Path) -> _Description:
    given = [kind for kind in _KINDS if isinstance(fields, dict) and kind in fields]
    if len(given) != 1:
        raise UserError(f"{file} must have exactly one of the fields {names(_KINDS)}")
    kind = _KINDS[given[0]]
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = [str(part) for part in wrong["loc"][: 2 if wrong["loc"][0] == "captions" else 1]]
        allowed = _Captions if len(place) == 2 else kind
        if wrong["type"] == "extra_forbidden":
            raise UserError(
                f"{file}: unknown field `{'.'.join(place)}`; allowed are {names(allowed.model_fields)}"
            ) from None
        raise UserError(f"{file}, field `{'.'.join(place)}`: {wrong['msg']}") from None
