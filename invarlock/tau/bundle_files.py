"""The folder of a bundle: published whole by one rename, read back only as it was published."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import StoreError
from invarlock.files import sync_folder, write_atomic
from invarlock.tau.errors import TauError

MODEL, METADATA, CHECKSUMS = "model.onnx", "metadata.json", "SHA256SUMS"
_LISTED = (METADATA, MODEL)


def ensure_free(folder: Path) -> None:
    """TauError when a bundle cannot get the name ``folder``: it is none, is taken, or lies inside another bundle."""
    if folder.name in ("", "..") or "\0" in str(folder):
        raise TauError(
            f"{str(folder)!r} is no name for a bundle", fix="name a new folder, such as bundles/dose-1"
        )
    try:
        if holder := next((one for one in folder.resolve().parents if _is_bundle(one)), None):
            raise TauError(
                f"{holder} is a bundle, which nothing is added to",
                where=folder,
                fix="name a folder beside it",
            )
        if any(folder.iterdir()):
            raise _taken(folder)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise _taken(folder) from error
    except OSError as error:
        raise _unusable("the folder of the bundle cannot be looked into", folder, error) from error


def publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` and their checksums under a temporary name beside ``folder``, then rename.

    TauError when something got the name meanwhile, StoreError when nothing can be written there.
    """
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        for name, data in {**files, CHECKSUMS: checksums(files)}.items():
            write_atomic(staging / name, data)
        sync_folder(staging)
        staging.rename(folder)  # over an empty folder at most
        sync_folder(folder.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _taken(folder) from error
        raise _unusable("the bundle cannot be put in place", folder, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_verified(folder: Path) -> dict[str, bytes]:
    """The listed files, each with the hash that SHA256SUMS gives it.

    TauError when there is no bundle or anything was changed, StoreError when it cannot be read.
    """
    if "\0" in str(folder):
        raise TauError(f"{str(folder)!r} is no name of a bundle", fix="name the folder that was exported")
    try:
        listed = (folder / CHECKSUMS).read_bytes()
        files = {name: (folder / name).read_bytes() for name in _LISTED}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TauError(
            f"no bundle: {Path(error.filename).name} is absent", where=folder, fix="export it anew"
        ) from error
    except OSError as error:
        raise _unusable("the bundle cannot be read", folder, error) from error
    if listed != checksums(files):
        raise altered(folder, f"its files are not those that {CHECKSUMS} lists")
    return files


def checksums(files: Mapping[str, bytes]) -> bytes:
    """What ``sha256sum`` prints of ``files``, by name."""
    return "".join(f"{sha256_hex(files[name])}  {name}\n" for name in sorted(files)).encode()


def altered(folder: Path, how: str) -> TauError:
    """The refusal of a bundle that is not as it was exported."""
    return TauError(f"the bundle was altered: {how}", where=folder, fix="fetch or export it anew")


def _is_bundle(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (CHECKSUMS, *_LISTED))


def _unusable(what: str, folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{what}: {error.strerror}", where=folder, fix="check its path, and that you may read and write there"
    )


def _taken(folder: Path) -> TauError:
    return TauError(
        "something is there already; a bundle is never overwritten", where=folder, fix="name a new folder"
    )
