"""``runtime/tiers.yaml`` and the patches that change it: the same schema, any key may be left out."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from invarlock.digests import sha256_file
from invarlock.errors import PolicyError
from invarlock.home import config_root
from invarlock.policy.keys import Section
from invarlock.policy.metrics import MetricsPolicy
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import Tier
from invarlock.policy.spectral import SpectralPolicy
from invarlock.policy.tau import TauPolicy
from invarlock.policy.tree import merge
from invarlock.policy.variance import VariancePolicy
from invarlock.yaml_source import load_yaml_record, read_yaml_record

FILE_KEYS = {
    "metrics": "metrics",
    "spectral": "spectral_guard",
    "rmt": "rmt_guard",
    "variance": "variance_guard",
    "tau": "tau_guard",
}
_FIX = "correct the file; `invarlock policy keys` explains every key"


def file_key(path: str) -> str:
    """``spectral.scope``, as in reports and configs, in the file's spelling: ``spectral_guard.scope``."""
    section, dot, rest = path.partition(".")
    return FILE_KEYS[section] + dot + rest


class TierEntry(Section):
    """One tier as the file spells it."""

    metrics: MetricsPolicy = MetricsPolicy()
    spectral_guard: SpectralPolicy = SpectralPolicy()
    rmt_guard: RmtPolicy = RmtPolicy()
    variance_guard: VariancePolicy = VariancePolicy()
    tau_guard: TauPolicy = TauPolicy()

    def layer(self) -> dict[str, JsonValue]:
        """The given keys, in the form of ``TierPolicy``."""
        given = self.given()
        return {name: given[key] for name, key in FILE_KEYS.items() if key in given}


class TiersFile(Section):
    """A tiers file, or a patch: a tiers file that holds only the keys to change."""

    balanced: TierEntry = TierEntry()
    conservative: TierEntry = TierEntry()
    aggressive: TierEntry = TierEntry()

    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that the file has."""
        return tuple(tier for tier in Tier if tier.value in self.model_fields_set)

    def entry(self, tier: Tier) -> TierEntry:
        """What the file says of ``tier``."""
        entries = {
            Tier.BALANCED: self.balanced,
            Tier.CONSERVATIVE: self.conservative,
            Tier.AGGRESSIVE: self.aggressive,
        }
        return entries[tier]


def live_tiers_path(root: Path | None = None) -> Path:
    """The tiers file in force: under ``root``, else ``$INVARLOCK_CONFIG_ROOT``, else the shipped one."""
    return (root or config_root()) / "runtime" / "tiers.yaml"


def load_tiers(path: Path) -> TiersFile:
    """Read a tiers file or a patch. Raises PolicyError with every problem, its line and key path."""
    return load_yaml_record(path, TiersFile, error=PolicyError, fix=_FIX)


def read_tiers(text: str, path: Path) -> TiersFile:
    """``text`` as a tiers file or a patch; errors say that it is in ``path``. Raises PolicyError as above."""
    return read_yaml_record(text, path, TiersFile, error=PolicyError, fix=_FIX)


def tiers_digest(path: Path) -> str:
    """Hex SHA-256 of a tiers file's bytes: what a patch is bound to."""
    return sha256_file(path)


def apply_patch(base: TiersFile, patch: TiersFile) -> TiersFile:
    """``patch`` laid over ``base``. Raises PolicyError for a tier that the base does not have."""
    unknown = [tier.value for tier in patch.tiers() if tier not in base.tiers()]
    if unknown:
        raise PolicyError(
            f"the patch changes {', '.join(unknown)}, which the base does not have",
            where=unknown[0],
            fix="make the patch against the tiers file that it is applied to",
        )
    return TiersFile.model_validate(merge(base.given(), patch.given()))
