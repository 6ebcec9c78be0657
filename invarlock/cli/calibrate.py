"""``invarlock calibrate``: sweeps that turn measured runs into recommended thresholds."""

from __future__ import annotations

import typer

from invarlock.cli import (
    calibrate_all,
    null_sweep,
    rmt_sweep,
    tau_operating_points,
    tau_sweep,
    ve_sweep,
    window_plan,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Run sweeps that derive guard thresholds from measured runs, and write a tiers.yaml patch for review.",
)

app.command("all")(calibrate_all.calibrate_all)
app.command("null-sweep")(null_sweep.null_sweep)
app.command("rmt-sweep")(rmt_sweep.rmt_sweep)
app.command("ve-sweep")(ve_sweep.ve_sweep)
app.command("window-plan")(window_plan.window_plan)
app.command("tau-sweep")(tau_sweep.tau_sweep)
app.command("tau-operating-points")(tau_operating_points.tau_operating_points)
