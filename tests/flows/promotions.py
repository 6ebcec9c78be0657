"""A finished calibration whose patch can become policy, and config roots of a test's own for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from flows.null_sweep import run_null_sweep
from invarlock.calibration.null_request import NullKind, NullSweepRequest
from invarlock.home import shipped
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.reports.null_sweep_result import NullSweepResult
from tests.flows.sweeps import request


def calibration(folder: Path) -> NullSweepRequest:
    """Five clean runs on as many edits, the least that a promotion takes; tightens two caps of tier balanced."""
    seeds = (1, 2, 3, 4, 5)
    return request(folder, windows=3, factor=1.09, null=NullKind.BENIGN, tiers=(Tier.BALANCED,), seeds=seeds)


def calibrate(folder: Path) -> NullSweepResult:
    """A finished :func:`calibration`."""
    return run_null_sweep(calibration(folder))


def fresh_root(folder: Path) -> Path:
    """A config root with the shipped policy, which the calibration was made for, and nothing promoted yet."""
    live_tiers_path(folder).parent.mkdir(parents=True)
    shutil.copyfile(shipped("configs/runtime/tiers.yaml"), live_tiers_path(folder))
    return folder
