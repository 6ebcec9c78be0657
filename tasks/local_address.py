"""Ports of this machine: which are free, and does a server answer there."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from invarlock.digests import sha256_hex
from invarlock.errors import StoreError

HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"
_PORTS_TRIED = 100
_PORTS_OF_HOMES = 2000


def preferred_port(home: Path, first: int) -> int:
    """A port at or after ``first`` that stays the same for a home and differs between homes.

    Two homes that start at one instant would otherwise both find the same port free.
    """
    return first + int(sha256_hex(str(home).encode())[:8], 16) % _PORTS_OF_HOMES


def reachable(host: str) -> str:
    """The address under which this machine reaches a server that listens on ``host``."""
    return HOST if host == EVERYWHERE else host


def free_port(preferred: int, host: str = HOST) -> int:
    """The first port at or after ``preferred`` that nothing listens on."""
    for port in range(preferred, preferred + _PORTS_TRIED):
        if is_free(port, host):
            return port
    raise StoreError(
        f"no free port from {preferred} to {preferred + _PORTS_TRIED - 1}",
        where=host,
        fix="stop one of the servers that listen there",
    )


def is_free(port: int, host: str = HOST) -> bool:
    """True when nothing listens on ``port`` of ``host``, an address of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """True when a GET of ``url`` ends with status 200 within two seconds."""
    # No proxy: the server is on this machine, whatever the environment says of others.
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
