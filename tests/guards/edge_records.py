"""Edge risk records by hand: what the RMT guard is tested on."""

from collections.abc import Mapping, Sequence

from invarlock.families import Family
from invarlock.measure.edge_records import EdgeRisk, EdgeRiskRecord, EdgeSite, WindowEdges
from invarlock.measure.records import WindowLoss
from invarlock.measure.sigma_max import CONVERGED

FAMILIES = {
    "wte": Family.EMBED,
    "attn": Family.ATTN,
    "fc": Family.FFN,
    "proj": Family.FFN,
    "ln": Family.OTHER,
}
LEVELS = {"wte": 2.0, "attn": 3.0, "fc": 1.5, "proj": 4.0, "ln": 2.5}


def record(
    risks: Mapping[str, float | Sequence[float]] | None = None,
    *,
    windows: int = 3,
    positions: Sequence[int] = (100, 100, 100),
    features: int = 400,
    without: Sequence[str] = (),
) -> EdgeRiskRecord:
    """``risks`` by module, one number or one a window, over LEVELS; every output is positions x features."""
    levels = {name: risk for name, risk in {**LEVELS, **(risks or {})}.items() if name not in without}

    def edge(name: str, window: int) -> EdgeRisk:
        level = levels[name]
        risk = level if isinstance(level, float) else level[window]
        return EdgeRisk(risk=risk, residual=0.0, positions=positions[window], features=features)

    return EdgeRiskRecord(
        contract=CONVERGED,
        sites=tuple(EdgeSite(module=name, family=FAMILIES[name]) for name in levels),
        absent=(),
        losses=tuple(WindowLoss(window_id=f"w{i}", nll=50.0, tokens=20) for i in range(windows)),
        windows=tuple(
            WindowEdges(window_id=f"w{i}", edges={name: edge(name, i) for name in levels})
            for i in range(windows)
        ),
    )
