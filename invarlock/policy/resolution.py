"""The policy in force for a run: five layers, the origin of every value, and a digest over it all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from pydantic import JsonValue

from invarlock.errors import PolicyError
from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.profiles import load_profile
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import Tier, TierPolicy
from invarlock.policy.tiers_file import TiersFile, live_tiers_path, load_tiers
from invarlock.policy.tree import flatten, merge, nested
from invarlock.record import Record


class Layer(StrEnum):
    """Who may set a policy value, weakest first."""

    BUILT_IN = "built-in"
    TIER = "tiers.yaml"
    PROFILE = "profile"
    EDIT = "edit"
    CONFIG = "config"


# What an edit is known to need, whatever the tier (seed 002: EDIT_ADJUSTMENTS).
EDIT_ADJUSTMENTS: Mapping[str, TierPolicy] = MappingProxyType(
    {"quant_rtn": TierPolicy(rmt=RmtPolicy(deadband=0.15))}
)


class Override(Record):
    """One value set above tiers.yaml. source: ``profile:NAME``, ``edit:NAME`` or ``config``."""

    path: str
    value: JsonValue
    source: str


class PolicyProvenance(Record):
    """The ``policy_provenance`` block of a report; see :class:`ResolvedPolicy`."""

    tier: Tier
    overrides: tuple[Override, ...]
    policy_digest: str
    policy_sha256: str
    origins: Mapping[str, Layer]


class ResolvedPolicy(Record):
    """A tier's policy after every layer.

    origins: dotted path of every leaf of ``policy`` to the layer that set it.
    overrides: every value set above tiers.yaml, in the order of application: the last one on a path wins.
    sha256: see ``policy_sha256``; digest: its first 16 characters.
    """

    tier: Tier
    policy: TierPolicy
    origins: Mapping[str, Layer]
    overrides: tuple[Override, ...]
    digest: str
    sha256: str

    @property
    def provenance(self) -> PolicyProvenance:
        """What a report says beside ``resolved_policy``: enough to recompute the digest and trace every leaf."""
        return PolicyProvenance(
            tier=self.tier,
            overrides=self.overrides,
            policy_digest=self.digest,
            policy_sha256=self.sha256,
            origins=self.origins,
        )

    def as_report(self) -> dict[str, JsonValue]:
        """The blocks of a report as JSON: ``resolved_policy`` and ``policy_provenance``."""
        return {
            "resolved_policy": self.policy.model_dump(mode="json"),
            "policy_provenance": self.provenance.model_dump(mode="json"),
        }


@dataclass(frozen=True)
class _Given:
    layer: Layer
    source: str
    values: dict[str, JsonValue]


def resolve_policy(
    tier: str,
    *,
    profile: str | None = None,
    edit: str | None = None,
    guards: TierPolicy | None = None,
    root: Path | None = None,
) -> ResolvedPolicy:
    """The policy of ``tier`` under a profile, an edit and a config's ``guards``; ``root`` is the config root.

    Only the keys that ``guards`` was given count.
    Raises PolicyError for a bad tiers file or a tier that it does not have, ConfigError for a bad profile.
    """
    path = live_tiers_path(root)
    return _resolved(load_tiers(path), path, tier, _above(profile, edit, guards, root))


def replay_policy(
    tiers: TiersFile, path: Path | str, tier: Tier, overrides: Sequence[Override]
) -> ResolvedPolicy:
    """The policy of ``tier`` in ``tiers`` under the recorded ``overrides`` of another resolution (decision 0033).

    path: where errors say that ``tiers`` is. Raises PolicyError for a tier that it does not have.
    """
    above = [
        _Given(Layer(each.source.partition(":")[0]), each.source, nested(each.path, each.value))
        for each in overrides
    ]
    return _resolved(tiers, path, tier, above)


def _resolved(tiers: TiersFile, path: Path | str, tier: str, above: Sequence[_Given]) -> ResolvedPolicy:
    merged: dict[str, JsonValue] = {}
    origins: dict[str, Layer] = {}
    for given in (*_from_file(tiers, path, tier), *above):
        merged = merge(merged, given.values)
        origins |= dict.fromkeys(flatten(given.values), given.layer)
    overrides = tuple(
        Override(path=leaf, value=value, source=given.source)
        for given in above
        for leaf, value in sorted(flatten(given.values).items())
    )
    policy = TierPolicy.model_validate(merged)
    values = policy.model_dump(mode="json")
    sha256 = policy_sha256(values, [override.model_dump(mode="json") for override in overrides])
    return ResolvedPolicy(
        tier=Tier(tier),
        policy=policy,
        origins={leaf: origins.get(leaf, Layer.BUILT_IN) for leaf in flatten(values)},
        overrides=overrides,
        digest=sha256[:16],
        sha256=sha256,
    )


def policy_sha256(resolved_policy: JsonValue, overrides: Sequence[JsonValue]) -> str:
    """Hex SHA-256 of a policy and how it came about, for an auditor to recompute from a report."""
    spelled = json.dumps({"resolved_policy": resolved_policy, "overrides": list(overrides)}, sort_keys=True)
    return hashlib.sha256(spelled.encode()).hexdigest()


def _from_file(tiers: TiersFile, path: Path | str, tier: str) -> list[_Given]:
    """The two layers below every override."""
    known = {known.value: known for known in tiers.tiers()}
    if tier not in known:
        raise PolicyError(
            f"no tier is called {str(tier)!r}", where=path, fix=f"use one of: {', '.join(known)}"
        )
    return [
        _Given(Layer.BUILT_IN, "built-in", BUILT_IN[known[tier]].model_dump(mode="json")),
        _Given(Layer.TIER, "tiers.yaml", tiers.entry(known[tier]).layer()),
    ]


def _above(
    profile: str | None, edit: str | None, guards: TierPolicy | None, root: Path | None
) -> list[_Given]:
    """Every layer above the tiers file that says something, weakest first."""
    layers = []
    if profile is not None:
        layers.append(_Given(Layer.PROFILE, f"profile:{profile}", load_profile(profile, root).guards.given()))
    if edit is not None and edit in EDIT_ADJUSTMENTS:
        layers.append(_Given(Layer.EDIT, f"edit:{edit}", EDIT_ADJUSTMENTS[edit].given()))
    if guards is not None:
        layers.append(_Given(Layer.CONFIG, "config", guards.given()))
    return layers
