"""Whole processes, timed, each with its stores where it is told, against one Prefect server."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.local_services import prefect_api_url, prefect_home, prefect_server, quiet_environment
from tasks.tracking_store import prepare_tracking_store


@dataclass(frozen=True)
class Timed:
    """Seconds of a whole process, and what it printed."""

    wall_s: float
    printed: dict[str, Any]

    @property
    def work_s(self) -> float:
        """Seconds of the work alone, as the process measured them."""
        return float(str(self.printed["work_s"]))


@dataclass(frozen=True)
class Served:
    """What processes need to find the server, and the seconds that its start took."""

    environment: Mapping[str, str]
    start_s: float

    def python(self, home: Path, *arguments: str) -> Timed:
        """Run this Python on something that prints JSON, all its stores in ``home``, made beforehand."""
        prefect_home(home).mkdir(parents=True, exist_ok=True)
        prepare_tracking_store(home)
        start = time.perf_counter()
        done = subprocess.run(
            (sys.executable, *arguments),
            # Task results under the home too: with those of another one the work would be skipped.
            env={**self.environment, **quiet_environment(home), "INVARLOCK_HOME": str(home)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        wall = time.perf_counter() - start
        return Timed(wall, json.loads(done.stdout[done.stdout.index("{") :]))

    def calibrate(self, home: Path, sweep: str, config: Path, out: Path, *options: str) -> Timed:
        """Run ``invarlock calibrate`` as a user does."""
        asked = ("--config", str(config), "--out", str(out), "--fresh", "--json", *options)
        return self.python(home, "-m", "invarlock.cli", "calibrate", sweep, *asked)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A Prefect server on a fresh home in ``folder``, stopped at the end."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    server = prefect_server(folder / "server")
    start = time.perf_counter()
    api = prefect_api_url(server.start().url)
    started = time.perf_counter() - start
    try:
        yield Served({**os.environ, "PREFECT_API_URL": api, "OMP_WAIT_POLICY": "PASSIVE"}, started)
    finally:
        server.stop()
