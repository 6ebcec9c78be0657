"""``invarlock calibrate tau-operating-points``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from invarlock.cli.sweep_options import DECIDE, OUTPUT, AsJson, Quiet
from invarlock.cli.tau_operating_points_view import show_operating_points
from invarlock.tau.operating_points import COVERAGE_FLOOR
from invarlock.tau.operating_points_files import AGGREGATED, write_operating_points


def tau_operating_points(
    seed_results: Annotated[
        Path,
        typer.Option(
            help="Folder with seed_0.json, seed_1.json, ...: one file a seed, same candidates in all."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which aggregated/ is written. Default: --seed-results.", rich_help_panel=OUTPUT
        ),
    ] = None,
    coverage_floor: Annotated[
        float,
        typer.Option(
            help="Least share of in-range samples that a candidate for safety_first accepts, in (0, 1].",
            rich_help_panel=DECIDE,
        ),
    ] = COVERAGE_FLOOR,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Choose which candidate to ship: the safest, the most accurate, or the best at telling the direction.

    safety_first: least fp_cens, then least C, most accept_rate, least fn_in, among those above the coverage floor.

    accuracy_first: least fn_in, then least C, most macro_f1, most accept_rate.

    direction_aware: most direction_f1, then least fp_cens, least C, most macro_f1.

    Metrics are means over seeds. C, the cost of bottom, is fault_rate + 0.5 semantic_bottom_rate where every candidate
    tells the two apart, else bottom_rate. 0 is the best where low is better; a metric that any seed lacks is the worst.

    Example:  invarlock calibrate tau-operating-points --seed-results reports/calibration/dose

    The shipped benchmark makes such a folder:  python -m invarlock.tau.benchmark dose --mode smoke

    Writes aggregated/dose_operating_points.json, .md and dose_diagnostics.json. Exit codes: 0 every preset has a
    candidate; 1 one has none; 2 files or options that cannot be used.
    """
    points = write_operating_points(seed_results, out, coverage_floor=coverage_floor)
    folder = (out or seed_results) / AGGREGATED
    if as_json:
        print(json.dumps(points.model_dump(mode="json"), indent=2))
    elif quiet:
        print(folder)
    else:
        show_operating_points(points, folder)
    if any(point.candidate is None for point in points.operating_points.values()):
        raise typer.Exit(1)
