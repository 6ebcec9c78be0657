"""Tables of an evaluation's page about modules and families: weights and activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from invarlock.guards.rmt_metrics import ModuleEdge
from invarlock.reports.evaluation_pictures import closest_to_cap
from invarlock.reports.evaluation_sections import RmtSection, SpectralSection, UnjudgedSection
from invarlock.reports.html_page import Column, element, section, table
from invarlock.reports.number_text import counted, number

MOST = 10  # rows of a table of modules or windows
_MODULE, _FAMILY = (
    Column("module"),
    Column("family"),
)  # first and last: what a phone shows is the numbers between


def weights(spectral: SpectralSection | UnjudgedSection) -> Markup:
    """What the spectral guard saw: families, the modules nearest their caps, those that moved most."""
    heading = "Weights: spectral guard"
    if isinstance(spectral, UnjudgedSection):
        return section(heading, element("p", "No matrix was judged; the gate says why."))
    return section(
        heading,
        _families(spectral),
        _by_z(spectral),
        _by_drift(spectral),
    )


def activations(rmt: RmtSection | UnjudgedSection) -> Markup:
    """What the RMT guard saw: families beside their bands, the modules that moved most."""
    heading = "Activations: RMT guard"
    if isinstance(rmt, UnjudgedSection) or not rmt.families:
        return section(heading, element("p", "No family has an edge risk on both sides; the gate says why."))
    rows = [
        (family.value, *plain(edge.edge_base, edge.edge_cur, edge.ratio, edge.epsilon, edge.allowed))
        for family, edge in rmt.families.items()
    ]
    columns = (Column("family"), *numbers("baseline", "subject", "ratio", "epsilon", "allowed"))
    return section(heading, table("Edge risk by family", columns, rows), _by_edge(rmt.modules))


def numbers(*names: str) -> Sequence[Column]:
    """Columns of numbers."""
    return [Column(name, number=True) for name in names]


def plain(*values: float) -> Sequence[str]:
    """Cells of numbers, in few digits."""
    return [number(value, 4) for value in values]


def _families(spectral: SpectralSection) -> Markup:
    rows = [
        (
            family.value,
            str(each.count),
            *plain(each.baseline.mean, each.baseline.std, each.quantiles.q95, each.quantiles.max, each.kappa),
            str(each.violations),
        )
        for family, each in spectral.families.items()
    ]
    measured = numbers("modules", "mean sigma", "std", "|z| q95", "|z| max", "cap", "above")
    return table("Families, by the baseline's statistics", (Column("family"), *measured), rows)


def _by_z(spectral: SpectralSection) -> Markup:
    nearest = closest_to_cap(spectral, MOST)
    rows = [
        (
            element("code", m.name),
            *plain(m.z, spectral.families[m.family].kappa, m.sigma, m.sigma_base),
            m.family.value,
        )
        for m in nearest
    ]
    measured = numbers("z", "cap", "sigma", "sigma before")
    return table(
        f"{counted(len(rows), 'module')} beyond their caps or nearest to them",
        (_MODULE, *measured, _FAMILY),
        rows,
    )


def _by_drift(spectral: SpectralSection) -> Markup:
    moved = [module for module in spectral.modules if module.relative_change]
    if not moved:
        return element("p", "No matrix differs from the baseline's.")
    ranked = sorted(moved, key=lambda module: -(module.relative_change or 0.0))[:MOST]
    rows = [
        (
            element("code", m.name),
            *plain(m.relative_change or 0.0, m.edit_edge or 0.0, m.log_sigma or 0.0, m.stable_rank_ratio),
            m.family.value,
        )
        for m in ranked
    ]
    measured = numbers("relative change", "edit edge", "log sigma", "stable rank ratio")
    title = f"{len(rows)} of {counted(len(moved), 'module')} that moved, the farthest first"
    return table(title, (_MODULE, *measured, _FAMILY), rows)


def _by_edge(modules: Mapping[str, ModuleEdge]) -> Markup:
    moved = [(name, edge) for name, edge in modules.items() if edge.ratio != 1]
    if not moved:
        return element("p", "No module has another edge risk than in the baseline.")
    ranked = sorted(moved, key=lambda entry: -abs(entry[1].ratio - 1))[:MOST]
    rows = [
        (element("code", name), *plain(edge.ratio, edge.edge_base, edge.edge_cur), edge.family.value)
        for name, edge in ranked
    ]
    title = (
        f"{len(rows)} of {counted(len(moved), 'module')} whose edge risk changed, the largest change first"
    )
    return table(title, (_MODULE, *numbers("ratio", "baseline", "subject"), _FAMILY), rows)
