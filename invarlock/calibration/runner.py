"""Where the tasks of a calibration run."""

from __future__ import annotations

from enum import StrEnum


class Runner(StrEnum):
    """local: threads of one process; process: processes of this machine; dask: workers of a Dask cluster."""

    LOCAL = "local"
    PROCESS = "process"
    DASK = "dask"
