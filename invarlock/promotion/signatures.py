"""Signatures as git makes them: ``ssh-keygen -Y``, and an ``allowed_signers`` file that says who has which key."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from invarlock.errors import PromotionError

NAMESPACE = "invarlock-promotion"  # a signature for anything else does not verify
_SECONDS = 30


def sign(statement: bytes, key: Path) -> str:
    """The armored signature of ``statement`` with an SSH key; ssh-keygen asks for its passphrase on the terminal.

    key: the private key, or the public one of a key that an agent holds. PromotionError when it cannot sign.
    """
    signed = _ssh_keygen(["-Y", "sign", "-f", str(key), "-n", NAMESPACE], statement, timeout=None)
    if signed.returncode != 0:
        raise PromotionError(
            f"ssh-keygen cannot sign: {_told(signed)}",
            where=key,
            fix="name a private SSH key, or a public one that your agent holds",
        )
    return signed.stdout.decode("ascii")


def flaw_of(statement: bytes, signature: str, *, by: str, allowed_signers: Path) -> str | None:
    """Why ``signature`` is not that of ``by`` under ``statement``, by the keys in force now; None when it is.

    PromotionError when that cannot be found out.
    """
    if not allowed_signers.is_file():
        raise PromotionError(
            "there is no allowed_signers file, so no signature can be checked",
            where=allowed_signers,
            fix="write who may sign into it, a line `name key`, as `man ssh-keygen` says",
        )
    with tempfile.NamedTemporaryFile(prefix="invarlock-signature-") as file:
        file.write(signature.encode())
        file.flush()
        options = ["-Y", "verify", "-f", str(allowed_signers), "-I", by, "-n", NAMESPACE, "-s", file.name]
        found = _ssh_keygen(options, statement, timeout=_SECONDS)
    return None if found.returncode == 0 else _told(found)


def _ssh_keygen(
    options: Sequence[str], data: bytes, *, timeout: float | None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", *options], input=data, capture_output=True, check=False, timeout=timeout
        )
    except FileNotFoundError as error:
        raise PromotionError(
            "ssh-keygen is not installed, so no approval can be signed or checked",
            fix="install OpenSSH's client, 8.2 or later",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PromotionError(
            f"ssh-keygen gave no answer in {_SECONDS} s", fix="find out what it waits for"
        ) from error


def _told(found: subprocess.CompletedProcess[bytes]) -> str:
    """The first line that ssh-keygen said: what was wrong."""
    lines = (found.stderr + b"\n" + found.stdout).decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), "it says nothing of why")
