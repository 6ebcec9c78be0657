"""docs/fault-table.md: a table a model, what the gates saw of what, and the harmless subjects."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.faults.finding import KINDS, Finding, Said
from benchmarks.faults.harmless_drift import EDITS, TARGET
from benchmarks.faults.suite import Row
from invarlock.calibration.drift_caps import DriftCapRecommendation

_MARKS = {Said.NOTHING: "", Said.WARNS: "w", Said.FAILS: "**F**", Said.UNJUDGED: "-"}
_STATISTICS = {"log_sigma": "σ", "relative_change": "Δ", "edit_edge": "edge"}
_GATES = ("metric", "tail", "drift", "spike", "invariants", "z", "flattened", "RMT")

HEAD = f"""# Planted faults

Written by `python -m benchmarks.faults`. Known damage is done to a trained model; every gate of an
evaluation says what it sees of it. The same measurements are judged twice: by the shipped `balanced` policy, profile
`ci` (240 + 240 windows of 128 tokens of documentation that the models were not trained on), and with drift caps on
top, which no shipped tier sets. They come from {EDITS} harmless edits of the model itself, by the rule of `calibrate
null-sweep --null benign --cap-rule tolerance`, for a target of {TARGET:.0%} warnings.

- **ratio**: perplexity over the baseline's. The rows in bold are above the policy's limit.
- **F**: the gate's flag is false; w: it has something to say that the policy lets pass; -: it could not judge.
- **metric**, **tail**, **drift** (preview to final), **spike**: gates on losses. **invariants**, **z** (caps on
  sigma_max by family), **flattened** (stable rank, dead rows and columns), **RMT** (edge risk of activations): guards.
- **exit**: of the shipped policy. 0 passes, 1 fails, 3 is aborted: a spike, or something that could not be measured.
- **log σ**, **Δ**, **edge**: the largest drift of a matrix (design page 2): |log(sigma / baseline's)|, relative change,
  edit edge. **above cap**: the statistics above the recommended caps of their family; **exit** beside it: under those.

The suite fails, and writes nothing, unless every fault above the limit fails, no harmless subject does, under
either policy, and every fault that moves a matrix is above a drift cap."""


def section(title: str, rows: Sequence[Row], caps: DriftCapRecommendation) -> str:
    """One model: what was planted, what is harmless, and what it amounts to."""
    planted = [row for row in rows if not row.subject.harmless]
    harmless = [row for row in rows if row.subject.harmless]
    parts = (
        f"## {title}",
        _caps(caps),
        "### Faults",
        _table(planted),
        "### Harmless",
        _table(harmless),
        "### Seen by",
        _tally(planted, harmless),
    )
    return "\n\n".join(parts)


def _caps(recommended: DriftCapRecommendation) -> str:
    lines = ["| drift caps | " + " | ".join(KINDS) + " |", "|---|---:|---:|---:|"]
    for family, caps in recommended.caps.items():
        lines.append(f"| {family.value} | " + " | ".join(f"{caps[kind]:.4g}" for kind in KINDS) + " |")
    return "\n".join([*lines, "", recommended.statement])


def _table(rows: Sequence[Row]) -> str:
    heads = ("subject", "strength", "ratio", *_GATES, "exit", "log σ", "Δ", "edge", "above cap", "exit")
    rule = "|---|---|---:|" + ":---:|" * len(_GATES) + "---:|---:|---:|---:|---|---:|"
    return "\n".join(["| " + " | ".join(heads) + " |", rule, *map(_line, rows)])


def _line(row: Row) -> str:
    shipped, capped = row.shipped, row.capped
    cells = (
        row.subject.name,
        row.subject.strength,
        _ratio(shipped),
        *(_MARKS[shipped.gates[gate]] for gate in _GATES),
        str(shipped.exit_code),
        *(f"{shipped.drift[kind]:.2g}" if shipped.drift else "-" for kind in KINDS),
        ", ".join(_STATISTICS[kind] for kind in capped.beyond) if capped.drift else "-",
        str(capped.exit_code),
    )
    return "| " + " | ".join(cells) + " |"


def _ratio(finding: Finding) -> str:
    if finding.ratio is None:
        return "**none**"
    text = f"{finding.ratio:.4f}" if finding.ratio < 10 else f"{finding.ratio:.3g}"
    return f"**{text}**" if finding.destructive else text


def _tally(planted: Sequence[Row], harmless: Sequence[Row]) -> str:
    """How many of each group every gate refuses."""
    groups = {
        "faults above the limit": [row for row in planted if row.shipped.destructive],
        "milder faults": [row for row in planted if not row.shipped.destructive],
        "harmless": harmless,
    }
    lines = [
        "| refused by | " + " | ".join(f"{name}, of {len(rows)}" for name, rows in groups.items()) + " |"
    ]
    lines.append("|---|" + "---:|" * len(groups))
    for gate in _GATES:
        counts = [sum(row.shipped.gates[gate] is Said.FAILS for row in rows) for rows in groups.values()]
        lines.append(f"| {gate} | " + " | ".join(map(str, counts)) + " |")
    for name, refused in (
        ("the shipped policy", lambda row: row.shipped.exit_code != 0),
        ("drift caps", lambda row: bool(row.capped.beyond)),
        ("the policy with drift caps", lambda row: row.capped.exit_code != 0),
    ):
        counts = [sum(map(refused, rows)) for rows in groups.values()]
        lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)
