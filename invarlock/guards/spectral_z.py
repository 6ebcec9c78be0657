"""Standard scores of sigma_max within a family (design page 2, seeds 001 and 002)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invarlock.errors import MeasurementError, PolicyError
from invarlock.families import Family
from invarlock.guards.pairing import ModulePair
from invarlock.guards.spectral_metrics import FamilyStatistics, FamilyZQuantiles, FamilyZSummary, TopZ
from invarlock.policy.schema import SpectralPolicy

TOP = 5  # modules listed a family

_ROUNDING = 1e-12  # relative; far below what any estimate of sigma_max resolves


@dataclass(frozen=True)
class Scores:
    """Every judged module's z with what it was made from: by module name z, by family the rest."""

    pairs: tuple[ModulePair, ...]
    z: Mapping[str, float]
    statistics: Mapping[Family, FamilyStatistics]
    kappa: Mapping[Family, float]

    @property
    def candidates(self) -> tuple[ModulePair, ...]:
        """Modules with |z| strictly above their family's cap."""
        return tuple(pair for pair in self.pairs if abs(self.z[pair.name]) > self.kappa[pair.family])

    def of(self, family: Family) -> dict[str, float]:
        """z by module name in one family."""
        return {pair.name: self.z[pair.name] for pair in self.pairs if pair.family is family}


def score_modules(pairs: tuple[ModulePair, ...], policy: SpectralPolicy) -> Scores:
    """z of every pair against its family in the baseline, and the family's cap.

    Raises PolicyError when a family has neither a cap nor other's to take, and what :func:`z_score` raises.
    """
    families = by_family(pairs)
    statistics = {
        family: family_statistics([pair.baseline.sigma_max for pair in group])
        for family, group in families.items()
    }
    return Scores(
        pairs=pairs,
        z={pair.name: z_score(pair, statistics[pair.family], deadband=policy.deadband) for pair in pairs},
        statistics=statistics,
        kappa={family: _kappa(family, policy.family_caps) for family in families},
    )


def _kappa(family: Family, caps: Mapping[Family, float]) -> float:
    kappa = caps.get(family, caps.get(Family.OTHER))
    if kappa is None:
        raise PolicyError(
            f"{family.value} has no cap and there is none of other to take",
            where="spectral_guard.family_caps",
            fix=f"add {family.value} or other",
        )
    return kappa


def family_statistics(sigmas: Sequence[float]) -> FamilyStatistics:
    """Mean and population standard deviation of one family's sigma_max in the baseline.

    Values that differ by rounding alone have a standard deviation of exactly 0: z would be made of rounding.

    >>> family_statistics([1.0, 3.0])
    FamilyStatistics(mean=2.0, std=1.0, count=2)
    """
    values = np.asarray(sigmas, dtype=np.float64)
    equal = bool(values.max() - values.min() <= _ROUNDING * values.max())
    mean = values[0] if equal else values.mean()
    return FamilyStatistics(mean=float(mean), std=0.0 if equal else float(values.std()), count=len(sigmas))


def z_score(pair: ModulePair, family: FamilyStatistics, *, deadband: float) -> float:
    """:func:`standard_score` of the subject's module."""
    sigmas = pair.subject.sigma_max, pair.baseline.sigma_max
    return standard_score(*sigmas, family, deadband=deadband, module=pair.name)


def standard_score(
    sigma: float, base: float, family: FamilyStatistics, *, deadband: float, module: str
) -> float:
    """A subject's sigma_max as a standard score of the baseline's family; ``base``: the module's own in the baseline.

    z = (sigma - mean) / std. In a family without spread (std = 0) it is the relative growth
    rel = sigma / base - 1 in units of the deadband: 0 while |rel| <= deadband, else rel / deadband.
    Raises MeasurementError, naming ``module``, when std and base are 0 and the subject's sigma_max is not.
    """
    if family.std > 0.0:
        return (sigma - family.mean) / family.std
    if sigma == base:
        return 0.0
    if base == 0.0:
        raise MeasurementError(
            f"sigma_max grew from 0 to {sigma:g} in a family of zero matrices: it has no relative size",
            where=module,
            fix="take a baseline whose weights are trained",
        )
    growth = sigma / base - 1.0
    if abs(growth) <= deadband:
        return 0.0
    return growth / deadband


def summarize(z: Sequence[float], *, kappa: float) -> FamilyZSummary:
    """Signed summary of one family's z-scores, and how many lie beyond ``kappa`` in absolute value."""
    beyond = sum(abs(value) > kappa for value in z)
    return FamilyZSummary(max=max(z), mean=float(np.mean(z)), count=len(z), violations=beyond, kappa=kappa)


def quantiles(z: Sequence[float]) -> FamilyZQuantiles:
    """0.95 and 0.99 quantiles (linear interpolation) and maximum of |z|."""
    magnitudes = np.abs(np.asarray(z, dtype=np.float64))
    q95, q99 = np.quantile(magnitudes, [0.95, 0.99])
    return FamilyZQuantiles(q95=float(q95), q99=float(q99), max=float(magnitudes.max()), count=len(z))


def top_scores(z: Mapping[str, float]) -> tuple[TopZ, ...]:
    """The modules with the largest |z|, largest first, ties by name."""
    ordered = sorted(z.items(), key=lambda item: (-abs(item[1]), item[0]))
    return tuple(TopZ(module=name, z=value) for name, value in ordered[:TOP])


def by_family(pairs: Sequence[ModulePair]) -> dict[Family, tuple[ModulePair, ...]]:
    """Pairs grouped by family, families in their own order, empty ones left out."""
    groups = {family: tuple(pair for pair in pairs if pair.family is family) for family in Family}
    return {family: group for family, group in groups.items() if group}
