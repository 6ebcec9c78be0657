"""What a number of null runs can show about epsilon, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from invarlock.calibration.rmt_bounds import CONFIDENCE, runs_needed
from invarlock.calibration.rmt_records import FamilyBound, RmtEvidence
from invarlock.calibration.rmt_reports import RmtObservation
from invarlock.families import Family


def weigh_rmt_evidence(
    draws: Mapping[str | None, Sequence[RmtObservation]],
    bounds: Mapping[Family, FamilyBound],
    *,
    quantile: float,
    n_unvaried: int,
    unvaried: tuple[Family, ...],
) -> RmtEvidence:
    """Evidence of ``draws``, by baseline, for ``bounds``. unvaried: families whose delta is 0 in every run."""
    seen = {family for runs in draws.values() for run in runs for family in (*run.edges, *run.skipped)}
    unmeasured = tuple(sorted(seen - set(bounds) - set(unvaried)))
    n = min(map(len, draws.values()))
    unsupported = tuple(family for family, bound in bounds.items() if not bound.supported)
    return RmtEvidence(
        n_effective=n,
        n_unvaried=n_unvaried,
        n_needed=runs_needed(quantile),
        confidence=CONFIDENCE,
        by_family=bounds,
        supported=bool(bounds) and not unsupported,
        unsupported=unsupported,
        unvaried=unvaried,
        unmeasured=unmeasured,
        statement=" ".join(
            [_on_runs(n, len(draws)), *_on_bounds(bounds, quantile), *_on_left_out(unvaried, unmeasured)]
        ),
    )


def _on_runs(n: int, baselines: int) -> str:
    each = " on each baseline" if baselines > 1 else ""
    return f"{n} independent run{'' if n == 1 else 's'}{each} (distinct weights and windows)."


def _on_bounds(bounds: Mapping[Family, FamilyBound], quantile: float) -> Iterator[str]:
    supported = [family for family, bound in bounds.items() if bound.supported]
    rest = 1 - quantile
    if supported:
        together = f"; one or more of them in up to {min(1.0, rest * len(supported)):.3g}"
        yield (
            f"With 95 % confidence no more than {rest:.3g} of fresh null runs are beyond epsilon of "
            f"{_named(supported)}, each family by itself{together if len(supported) > 1 else ''}."
        )
    if unsupported := [family for family in bounds if family not in supported]:
        fewest = min(bounds[family].n for family in unsupported)
        yield (
            f"UNSUPPORTED ({_named(unsupported)}): {fewest} cannot bound the {quantile:g} quantile, "
            f"{runs_needed(quantile)} can. Epsilon is the largest delta seen; a fresh null run is beyond it with a "
            f"chance of up to 1 in {fewest + 1}, family by family."
        )


def _on_left_out(unvaried: Sequence[Family], unmeasured: Sequence[Family]) -> Iterator[str]:
    if unvaried:
        yield (
            f"LEFT OUT ({_named(unvaried)}): delta is exactly 0 in every run, so this null does not move these "
            "activations and says nothing about their epsilon."
        )
    if unmeasured:
        yield f"LEFT OUT ({_named(unmeasured)}): no run has a baseline's edge risk above 0."


def _named(families: Sequence[Family]) -> str:
    return ", ".join(family.value for family in families)
