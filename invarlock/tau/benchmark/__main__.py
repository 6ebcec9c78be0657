"""``python -m invarlock.tau.benchmark``: benchmarks that make results to calibrate on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from invarlock.errors import InvarlockError
from invarlock.tau.benchmark.modes import Mode

app = typer.Typer(
    no_args_is_help=True,
    help="Benchmarks of the tau_infer workflow. They need no data and no network.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Keeps ``dose`` a command of its own: a typer app with one command would swallow its name."""


@app.command()
def dose(
    mode: Annotated[Mode, typer.Option(help="smoke: seconds a seed. full: minutes a seed.")] = Mode.SMOKE,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to run: 0, 1, ...")] = 1,
    device: Annotated[
        str, typer.Option(help="Where networks are trained: auto, cpu, cuda or cuda:N.")
    ] = "cpu",
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("reports/calibration/dose"),
) -> None:
    """Doses read back from synthetic dose-response curves: which head, at which tau_infer, tells what it cannot tell?

    Half of the doses are so low or so high that the response lies on a plateau, where reading the curve backwards
    divides by almost 0. Three heads answer with P / Q: a small rational network, a plain regression network gated by
    its distance from the plateaus, and the Hill formula read backwards. Each is calibrated for fp_cens <= 1 % and
    <= 10 % (confidence 95 %) on one half of held-out samples; the frozen tau_infer is judged on the other half.

    Example:  python -m invarlock.tau.benchmark dose --mode smoke --seeds 1 --device cpu

    Writes seed_<s>.json and aggregated/dose_operating_points.json, .md and dose_diagnostics.json. Equal arguments give
    equal bytes on one machine and torch version. Choose again with another floor:

    invarlock calibrate tau-operating-points --seed-results reports/calibration/dose --coverage-floor 0.8
    """
    from invarlock.tau.benchmark.dose import run_dose  # torch: --help does without
    from invarlock.tau.operating_points_files import AGGREGATED, SUMMARY

    run_dose(mode, seeds=range(seeds), device=device, out=out)
    summary = out / AGGREGATED / SUMMARY
    print(f"{summary.read_text(encoding='utf-8')}\nwritten to {summary}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``arguments``, by default the process's own; an error becomes its text and an exit code."""
    try:
        app(args=arguments, prog_name="python -m invarlock.tau.benchmark")
    except InvarlockError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
