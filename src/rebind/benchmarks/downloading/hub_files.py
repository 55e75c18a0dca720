"""Files and folders of datasets on the Hugging Face hub, fetched by the hub's own library, which continues them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rebind.benchmarks.downloading.addresses import HUB
from rebind.benchmarks.downloading.http_files import Promise
from rebind.storage import disk_errors
from rebind.types import UserError

if TYPE_CHECKING:  # importing the library takes a while
    from huggingface_hub import RepoFile


def ask(address: str) -> Promise:
    """Size of a file, or number and size of the files of a folder.

    Args:
        address: ``hf://datasets/OWNER/NAME/PATH``; a folder ends with ``/``.

    Raises:
        UserError: when the hub is not reached, there is no such dataset or file, or its licence must be accepted.
    """
    from huggingface_hub import HfApi

    repository, _ = _parts(address)
    with _sentences(address):
        HfApi().auth_check(repository, repo_type="dataset")
        files = _files(address)
    return Promise(sum(file.size for file in files), files=len(files))


def fetch(address: str, path: Path, report: Callable[[int], object]) -> None:
    """Fetch a file or folder; what an earlier call fetched is continued.

    Until all is there, it is in the folder ``.NAME.hub`` beside ``path``.

    Args:
        address: as for :func:`ask`.
        path: where it goes.
        report: is told how many bytes are there, file by file.

    Raises:
        UserError: as :func:`ask`, and when the disk is full.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    repository, inside = _parts(address)
    on_its_way = path.with_name(f".{path.name}.hub")
    if not sys.stderr.isatty():
        disable_progress_bars()
    with _sentences(address), disk_errors(on_its_way):
        done = 0
        for file in _files(address):
            hf_hub_download(repository, file.path, repo_type="dataset", local_dir=on_its_way)
            done += file.size
            report(done)
        (on_its_way / inside).rename(path)
        shutil.rmtree(on_its_way)


def _files(address: str) -> list[RepoFile]:
    from huggingface_hub import HfApi, RepoFile

    repository, inside = _parts(address)
    if inside.endswith("/"):
        found = HfApi().list_repo_tree(repository, inside.rstrip("/"), recursive=True, repo_type="dataset")
    else:
        found = HfApi().get_paths_info(repository, [inside], repo_type="dataset")
    files = [each for each in found if isinstance(each, RepoFile)]
    if not files:
        raise UserError(f"the dataset {repository} of the Hugging Face hub holds no {inside}")
    return files


def _parts(address: str) -> tuple[str, str]:
    """Name of the dataset, and the path inside it."""
    owner, name, inside = address.removeprefix(HUB).split("/", 2)
    return f"{owner}/{name}", inside


@contextmanager
def _sentences(address: str) -> Iterator[None]:
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

    repository, _ = _parts(address)
    page = f"https://huggingface.co/datasets/{repository}"
    try:
        yield
    except UserError:
        raise
    except GatedRepoError as error:
        raise UserError(
            f"{repository} is given to those who accept its licence: accept it at {page}, "
            "set HF_TOKEN to an access token of yours, and run the command again"
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"there is no dataset {repository} on the Hugging Face hub, or HF_TOKEN is no token that may read it; "
            f"see {page}"
        ) from error
    except EntryNotFoundError as error:
        raise UserError(f"{address} is not there, or the Hugging Face hub is not reached; see {page}") from error
    except Exception as error:  # those of the library's HTTP library, too, whichever that is
        raise UserError(
            f"{address} cannot be downloaded: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
