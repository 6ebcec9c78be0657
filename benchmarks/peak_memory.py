"""Peak memory of a process, without importing anything that would raise it."""

from __future__ import annotations

from pathlib import Path

MB = 1e6


def peak_mb() -> float:
    """Peak resident memory of this process so far, MB.

    From /proc: ``getrusage`` carries the peak of the process that started this one across ``exec``.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / MB
