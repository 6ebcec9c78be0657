"""``invarlock calibrate tau-sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invarlock.calibration.tau_request import TauSweepRequest
from invarlock.cli.console import progress_shown
from invarlock.cli.sweep_options import (
    DECIDE,
    OUTPUT,
    WHAT,
    AsJson,
    Fresh,
    Quiet,
    checked_request,
    prepare_servers,
    tell,
)
from invarlock.policy.schema import Tier
from invarlock.tau.gate_dtype import GateDtype


def tau_sweep(
    q_abs: Annotated[
        Path,
        typer.Option(
            help="File of |Q|: .npy, .npz, .csv, .parquet or .jsonl. nan or inf marks a fault.",
            rich_help_panel=WHAT,
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="File of booleans, true where in range. Default: a column of --q-abs.", rich_help_panel=WHAT
        ),
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(
            help="File of sample ids, by which rows are split and repeated samples are found. Compared byte by byte: "
            "'7' and '007' are two. Default: row numbers, which show no sample that is there twice.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    q_column: Annotated[
        str, typer.Option(help="Column, key or array of |Q|.", rich_help_panel=WHAT)
    ] = "q_abs",
    label_column: Annotated[
        str, typer.Option(help="That of the labels.", rich_help_panel=WHAT)
    ] = "is_in_range",
    id_column: Annotated[
        str | None,
        typer.Option(help="That of the ids. Default: id, with --ids.", rich_help_panel=WHAT),
    ] = None,
    rows_are_samples: Annotated[
        bool,
        typer.Option(
            "--rows-are-samples",
            help="Your word that every row is a sample of its own; without ids, a promotion needs it.",
            rich_help_panel=WHAT,
        ),
    ] = False,
    gate_dtype: Annotated[
        GateDtype | None,
        typer.Option(
            help="Dtype in which the gate compares Q. Default: that of --q-abs, where some value needs it; .csv, "
            ".jsonl and integers have none.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    taus: Annotated[
        list[str] | None,
        typer.Option(
            help="Taus to sweep and to choose from, as 1e-6,1e-5,1e-4; repeatable. Default: every value of the dtype.",
            rich_help_panel=DECIDE,
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            help="The same, evenly spaced on a logarithmic axis: LOW:HIGH:COUNT, as 1e-6:1e-2:41.",
            rich_help_panel=DECIDE,
        ),
    ] = None,
    max_fp: Annotated[
        float | None,
        typer.Option(
            help="Most of the censored that may be accepted, in (0, 1). Without it nothing is recommended.",
            rich_help_panel=DECIDE,
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            help="With which --max-fp is promised, in (0, 1). Default: 0.95.", rich_help_panel=DECIDE
        ),
    ] = None,
    max_fn: Annotated[
        float | None,
        typer.Option(help="Ceiling on the observed fn_in, in [0, 1].", rich_help_panel=DECIDE),
    ] = None,
    max_bottom: Annotated[
        float | None,
        typer.Option(help="Ceiling on the observed bottom_rate, in [0, 1].", rich_help_panel=DECIDE),
    ] = None,
    tau_train_multiple: Annotated[
        float | None,
        typer.Option(help="tau_train = this times tau_infer, at least 1.", rich_help_panel=DECIDE),
    ] = None,
    target_gap_rate: Annotated[
        float | None,
        typer.Option(
            help="Or: the largest tau_train with at most this share of the samples in the gap.",
            rich_help_panel=DECIDE,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.", rich_help_panel=DECIDE)] = 0,
    calibration_share: Annotated[
        float, typer.Option(help="Share of the ids that calibrate, in (0, 1).", rich_help_panel=DECIDE)
    ] = 0.5,
    head: Annotated[
        str,
        typer.Option(
            help="Name of the head in the policy: letters, digits, - and _, a letter first.",
            rich_help_panel=OUTPUT,
        ),
    ] = "default",
    tier: Annotated[
        list[Tier] | None,
        typer.Option(help="Tier whose policy keeps it; repeatable. Default: all.", rich_help_panel=OUTPUT),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the calibration artifacts.", rich_help_panel=OUTPUT)
    ] = Path("reports/calibration/tau_sweep"),
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Sweep tau_infer over |Q|, and recommend the smallest one that meets a requirement.

    A sample with |Q| < tau is bottom: it gets no answer. fn_in is the share of the samples in range that are (false
    censoring), fp_cens the share of the censored that are not (false acceptance). The recommendation keeps fp_cens
    below --max-fp on fresh samples with --confidence, for any distribution of |Q|; "the smallest tau whose observed
    rate is low enough" would break that every second time. It is made on one side of a split by sample id, frozen, and
    counted on the other. It is of independent samples: two censored rows of one id are refused, and without ids the
    promise holds only if every row is a sample of its own.

    Example:  invarlock calibrate tau-sweep --q-abs q.npy --labels in_range.npy --ids ids.npy --max-fp 0.01

    A tau is of one head, one normalisation and one convention of magnitude. Nothing is applied: with a recommendation
    there is a patch to review and to promote, as of any other sweep.

    Writes tau_infer_sweep.json, .md and .csv, tau_sweep_report.json, tau_sweep_summary.md, tiers_patch_tau.yaml (where
    a tau is recommended), configs/, plots/ and manifest.json. Exit codes: 0 done; 1 no tau can be recommended
    (insufficient_data or infeasible), results are written; 2 input that cannot be used.
    """
    from invarlock.calibration.tau_plan import ensure_countable  # late, as what follows: scipy takes a moment
    from invarlock.cli.tau_values import chosen_taus

    request = checked_request(
        TauSweepRequest,
        "tau-sweep",
        {
            "q_abs": q_abs,
            "labels": labels,
            "ids": ids,
            "q_column": q_column,
            "label_column": label_column,
            "id_column": id_column,
            "rows_are_samples": rows_are_samples,
            "gate_dtype": gate_dtype,
            "taus": chosen_taus(taus, grid),
            "max_fp": max_fp,
            "confidence": confidence,
            "max_fn": max_fn,
            "max_bottom": max_bottom,
            "tau_train_multiple": tau_train_multiple,
            "target_gap_rate": target_gap_rate,
            "head": head,
            "tiers": tuple(tier or Tier),
            "seed": seed,
            "calibration_share": calibration_share,
            "out": out,
            "fresh": fresh,
        },
    )
    talk = not (quiet or as_json)
    ensure_countable(request)  # before any server starts
    prepare_servers(request.out, talk=talk)
    from flows.tau_sweep import run_tau_sweep  # late: Prefect reads the environment when it is imported
    from invarlock.cli.tau_sweep_view import show_tau_sweep

    with progress_shown(talk):
        result = run_tau_sweep(request)
    tell(result, show_tau_sweep, as_json=as_json, quiet=quiet)
    if result.refused:
        raise typer.Exit(1)
