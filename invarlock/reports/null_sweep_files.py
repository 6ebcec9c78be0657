"""The files of a null sweep: the public contract of seed 000 and design page 5."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import yaml

from invarlock.calibration.null_plan import Cell, NullKind, NullSweepPlan
from invarlock.digests import digest_of
from invarlock.families import Family
from invarlock.guards.report import GuardReport
from invarlock.reports.run_report import RunReport

REPORT = "null_sweep_report.json"
RUNS = "null_sweep_runs.csv"
SUMMARY = "null_sweep_summary.md"
PATCH = "tiers_patch_spectral_null.yaml"
VOLATILE = ("generated_at", "volatile")
