"""A server of our own in the background: one per folder, found again by any later process.

The server inherits an open, locked file. The kernel keeps that lock for as long as the server lives and drops
it the moment it dies, so "is it running" needs no guess about process numbers that were used again.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
from pydantic import ValidationError

from invarlock.errors import StoreError
from invarlock.files import locked, write_json
from invarlock.record import Record
from tasks.local_address import HOST, answers, free_port, is_free, reachable

_TERMINATE_SECONDS = 10.0
_POLL_SECONDS = 0.05
# Starts the server in this shell's process group, writes both numbers and leaves the server to the system,
# so that it is nobody's zombie. The shell outlives a kill of its caller: the numbers are always written.
_LAUNCH = '"$@" & echo "$$ $!" > "$0"'


class ServerState(StrEnum):
    """``starting``: alive but not answering. ``dead``: ended without being stopped."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    DEAD = "dead"


class ServerAddress(Record):
    """Where a launched server listens, kept beside its log. ``started``: seconds since the epoch."""

    host: str = HOST
    port: int
    url: str
    started: float


class ServerStatus(Record):
    """What is known of a server now; ``address`` is None when it was never launched or was stopped."""

    name: str
    state: ServerState
    address: ServerAddress | None
    pid: int | None
    log: str

    @property
    def url(self) -> str:
        """Where it listens or listened; empty when it was never launched."""
        return self.address.url if self.address else ""


@dataclass(frozen=True)
class BackgroundServer:
    """One server, its files under ``folder``.

    Parameters
    ----------
    command: the command line for a port. environment: all of its environment.
    health: path that answers 200 once the server is up. preferred_port: tried first, then those after it.
    host: the address it listens on. working_folder: where it runs; default: ``folder``.
    """

    name: str
    folder: Path
    preferred_port: int
    health: str
    command: Callable[[int], Sequence[str]]
    environment: Mapping[str, str]
    host: str = HOST
    working_folder: Path | None = None

    @property
    def log(self) -> Path:
        """What the server printed since its last start."""
        return self.folder / "server.log"

    def status(self) -> ServerStatus:
        """Running, starting, stopped or dead, without changing anything."""
        address = self._address()
        if self._alive():
            up = address is not None and answers(address.url + self.health)
            state = ServerState.RUNNING if up else ServerState.STARTING
        else:
            state = ServerState.STOPPED if address is None else ServerState.DEAD
        numbers = self._process_numbers()
        alive = state in (ServerState.RUNNING, ServerState.STARTING)
        return ServerStatus(
            name=self.name,
            state=state,
            address=address,
            pid=numbers[1] if numbers and alive else None,
            log=str(self.log),
        )

    def launch(self) -> None:
        """Start the server unless it is alive, and return without waiting until it answers."""
        with locked(self.folder / "launch.lock"):
            if self._alive():
                return
            self._end_remains()
            port = free_port(self.preferred_port, self.host)
            url = f"http://{reachable(self.host)}:{port}"
            address = ServerAddress(host=self.host, port=port, url=url, started=time.time())
            write_json(self.folder / "address.json", address.model_dump(mode="json"))
            self._spawn(port)

    def start(self, seconds: float = 90.0) -> ServerStatus:
        """Launch, then wait until it answers. StoreError with the end of its log when it does not."""
        self.launch()
        deadline = time.monotonic() + seconds
        while (status := self.status()).state is not ServerState.RUNNING:
            if status.state is not ServerState.STARTING or time.monotonic() > deadline:
                raise StoreError(
                    f"the local {self.name} server does not answer ({status.state}):\n{self._log_end()}",
                    where=self.log,
                    fix="run `invarlock down`, mend what the log says, then `invarlock up`",
                )
            time.sleep(_POLL_SECONDS)
        return status

    def stop(self) -> bool:
        """End the server and everything that it started. False when there was nothing to end."""
        with locked(self.folder / "launch.lock"):
            was_alive = self._alive()
            if was_alive:
                self._end_group()
            remains = self._end_remains()
            for name in ("address.json", "process"):
                (self.folder / name).unlink(missing_ok=True)
            return was_alive or remains

    def _alive(self) -> bool:
        if not self.folder.is_dir():
            return False
        with (self.folder / "alive.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _spawn(self, port: int) -> None:
        with (self.folder / "alive.lock").open("a") as alive, self.log.open("wb") as log:
            fcntl.flock(alive, fcntl.LOCK_EX)
            launcher = subprocess.Popen(
                ["/bin/sh", "-c", _LAUNCH, str(self.folder / "process"), *self.command(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.working_folder or self.folder,
                env=dict(self.environment),
                pass_fds=[alive.fileno()],
                start_new_session=True,
            )
            launcher.wait()

    def _address(self) -> ServerAddress | None:
        try:
            return ServerAddress.model_validate_json((self.folder / "address.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StoreError(
                "the record of a local server is damaged",
                where=self.folder / "address.json",
                fix="end that server by hand and remove the file",
            ) from error

    def _process_numbers(self) -> tuple[int, int] | None:
        """Its process group and its own process number."""
        try:
            group, process = (self.folder / "process").read_text().split()
        except (FileNotFoundError, ValueError):
            return None  # not launched, or the shell is about to write them
        return int(group), int(process)

    def _end_remains(self) -> bool:
        """End children that outlived their dead parent; they are still ours if they answer at its address."""
        address = self._address()
        if address is None or not answers(address.url + self.health):
            return False
        self._end_group()
        return True

    def _end_group(self) -> None:
        numbers = self._process_numbers()
        sessions = _own_sessions(*numbers) if numbers else []
        for number in (signal.SIGTERM, signal.SIGKILL):
            if numbers := self._process_numbers():
                _signal_group(numbers[0], number)
            for process in sessions:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            deadline = time.monotonic() + _TERMINATE_SECONDS
            while time.monotonic() < deadline:
                if self._ended() and not any(process.is_running() for process in sessions):
                    return
                time.sleep(_POLL_SECONDS)
        raise StoreError(
            f"the local {self.name} server does not end", where=self.log, fix="end its process group by hand"
        )

    def _ended(self) -> bool:
        address = self._address()
        return not self._alive() and (address is None or is_free(address.port, address.host))

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"  | {line}" for line in lines[-15:])


def _own_sessions(group: int, leader: int) -> list[psutil.Process]:
    """What the leader started outside of its group: a signal to the group does not reach the runs of a worker."""
    try:
        started = psutil.Process(leader).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in started if _group_of(process.pid) not in (group, None)]


def _group_of(process: int) -> int | None:
    try:
        return os.getpgid(process)
    except ProcessLookupError:
        return None


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
