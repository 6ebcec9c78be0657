"""The page docs/interval-choice.md: what each candidate interval lets pass.

python -m tests.stats.interval_page   # puts new tables on the page, some four minutes
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from tests.stats.interval_candidates import CANDIDATES, CHOSEN
from tests.stats.interval_simulation import (
    BEYOND,
    COUNTS,
    HARSHER,
    JUDGED_SHAPES,
    MARGIN,
    NOMINAL,
    REALISTIC,
    SEED,
    Case,
    false_passes,
    gate_passes,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interval-choice.md"
COMMAND = "python -m tests.stats.interval_page"
REPETITIONS, BOOTSTRAPPED = 100_000, 20_000


def repetitions_of(method: str) -> int:
    """Bootstraps take a hundred times as long."""
    return REPETITIONS if method.startswith("t,") else BOOTSTRAPPED


def row(*cells: str) -> str:
    """One line of a table."""
    return "| " + " | ".join(cells) + " |"


def head(labels: int, *cells: str) -> list[str]:
    """A table's first two lines: ``labels`` columns of text, then numbers."""
    return [row(*cells), "|" + "---|" * labels + "---:|" * (len(cells) - labels)]


def extremes(method: str, cases: list[Case]) -> list[str]:
    """Lowest and highest rate over cases and window counts, for each of NOMINAL; bold where it is too high."""
    rates = np.array(
        [false_passes(method, case, n, repetitions_of(method)) for case, n in product(cases, COUNTS)]
    )
    return [
        f"{low:.1f}-{high:.1f}" if high <= nominal + MARGIN else f"**{low:.1f}-{high:.1f}**"
        for low, high, nominal in zip(rates.min(0), rates.max(0), NOMINAL.values(), strict=True)
    ]


def comparison() -> Iterator[str]:
    """Every candidate, worst cases and power."""
    sides = [
        f"{tokens}, {nominal:g} %" for tokens in ("realistic", "lognormal") for nominal in NOMINAL.values()
    ]
    yield from head(1, "method", *sides, "passes at a gain of 1 sd")
    for method in CANDIDATES:
        power = false_passes(
            method, Case("masked", "constant", "normal"), 8, repetitions_of(method), gain=1.0
        )
        name = f"{method} (chosen)" if method == CHOSEN else method
        yield row(name, *extremes(method, REALISTIC), *extremes(method, HARSHER), f"{power[0]:.0f}")


def counts_of() -> list[str]:
    """Column names: windows within sides."""
    return [f"{nominal:g} %, n = {n}" for nominal, n in product(NOMINAL.values(), COUNTS)]


def chosen_everywhere() -> Iterator[str]:
    """The chosen method, every cell of the criterion."""
    yield from head(3, "tokens", "variance", "differences", *counts_of())
    for case in (*REALISTIC, *HARSHER):
        rates = np.array([false_passes(CHOSEN, case, n, REPETITIONS) for n in COUNTS]).T
        yield row(case.tokens, case.variance, case.shape, *(f"{rate:.2f}" for rate in rates.ravel()))


def beyond_every_method() -> Iterator[str]:
    """Cases outside the criterion. Their tokens are equal, where all t's are one."""
    yield from head(2, "differences", "method", *counts_of())
    for case, method in product(BEYOND, (CHOSEN, "bootstrap-t", "BCa")):
        rates = np.array([false_passes(method, case, n, repetitions_of(method)) for n in COUNTS]).T
        yield row(
            case.shape, "every t" if method == CHOSEN else method, *(f"{rate:.1f}" for rate in rates.ravel())
        )


def whole_rule() -> Iterator[str]:
    """The gate's rule at its boundary."""
    yield from head(2, "min_effect = true gain", "differences", *counts_of())
    for min_effect, shape in product((0.0, 0.5), JUDGED_SHAPES):
        case = Case("masked", "constant", shape)
        rates = np.array(
            [gate_passes(case, n, REPETITIONS, min_effect=min_effect, seed=SEED + 1) for n in COUNTS]
        ).T
        yield row(f"{min_effect:g} sd", shape, *(f"{rate:.2f}" for rate in rates.ravel()))


TABLES = {
    "extremes": comparison,
    "chosen": chosen_everywhere,
    "beyond": beyond_every_method,
    "rule": whole_rule,
}


def marks(name: str) -> tuple[str, str]:
    """What stands before and after a table on the page."""
    return f"<!-- {name}: {COMMAND} -->\n", f"<!-- end of {name} -->\n"


def table_of(page: str, name: str) -> list[str]:
    """The lines of a table on the page."""
    before, after = marks(name)
    return page.split(before)[1].split(after)[0].strip().splitlines()


def main() -> None:
    """Replace the tables of the page."""
    page = PAGE.read_text()
    for name, lines in TABLES.items():
        before, after = marks(name)
        ahead, behind = page.split(before)[0], page.split(after)[1]
        page = ahead + before + "\n".join(lines()) + "\n" + after + behind
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
