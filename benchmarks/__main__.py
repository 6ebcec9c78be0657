"""Run every benchmark and write docs/benchmarks.md: ``python -m benchmarks`` (some half an hour, ``make bench``)."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
MODULES = (
    "null_sweep",
    "sigma_max",
    "streaming_memory",
    "ve_sweep",
    "shared_prefix",
    "ve_intervals",
    "evaluate",
    "tau_sweep",
)
HEAD = """# Benchmarks

Written by `make bench` (`python -m benchmarks`); each section by the command above it. Times are of one machine at
one time and say little; the ratios, measured within one run, are what counts. What the numbers mean and which targets
are missed: [benchmark-notes.md](benchmark-notes.md)."""


def main() -> None:
    """Replace the page by what the benchmarks print now."""
    machine = f"Measured on {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}."
    sections = [HEAD, machine]
    for module in MODULES:
        command = f"python -m benchmarks.{module}"
        print(command, file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}"], stdout=subprocess.PIPE, text=True, check=True
        )
        sections.append(f"## {command}\n\n{done.stdout.strip()}")
    PAGE.write_text("\n\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
