"""The files of the policy in force and of its promotion, all below the config root's ``runtime`` folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.files import locked
from invarlock.home import config_root
from invarlock.policy.tiers_file import live_tiers_path

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REQUEST_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class RuntimeFiles:
    """Paths below a config root. None of them leads through a link: each is looked at when it is asked for."""

    root: Path

    @classmethod
    def of(cls, root: Path | None = None) -> RuntimeFiles:
        """Those of ``root``, else of ``$INVARLOCK_CONFIG_ROOT``, else of the shipped configs."""
        return cls((root or config_root()).resolve())

    @property
    def live(self) -> Path:
        """The tiers file in force."""
        return self.contained(live_tiers_path(self.root))

    @property
    def staged(self) -> Path:
        """The next tiers file, whole, before it is renamed to :attr:`live`."""
        return self._at(".tiers.yaml.next")

    @property
    def history(self) -> Path:
        """What happened to the policy, a line an entry."""
        return self._at("history.jsonl")

    @property
    def pending(self) -> Path:
        """The line that history gains when a change now under way is complete."""
        return self._at(".history.pending")

    @property
    def versions(self) -> Path:
        """The folder of every tiers file that was in force."""
        return self._at("history")

    @property
    def promotions(self) -> Path:
        """The folder of requests."""
        return self._at("promotions")

    @property
    def evaluations(self) -> Path:
        """The folder of evaluations that are kept for back-tests, beside those in MLflow; it may be left out."""
        return self._at("evaluations")

    @property
    def known_faults(self) -> Path:
        """The folder of evaluations of subjects that are known to be bad; it may be left out."""
        return self._at("known_faults")

    def version(self, sha256: str) -> Path:
        """The kept tiers file of that hash."""
        if not _SHA256.fullmatch(sha256):
            raise PromotionError(
                f"{sha256!r} is not the SHA-256 of a policy version",
                where=self.versions,
                fix="give its 64 hexadecimal digits, as the history shows them",
            )
        return self._at("history", f"{sha256}.yaml")

    def request(self, request_id: str) -> Path:
        """The folder of a request."""
        if not _REQUEST_ID.fullmatch(request_id):
            raise PromotionError(
                f"{request_id!r} is not the id of a request",
                where=self.promotions,
                fix="give its 16 hexadecimal digits, as the list of requests shows them",
            )
        return self._at("promotions", request_id)

    def contained(self, path: Path) -> Path:
        """``path``, when no part of it below the root is a link. Raises PromotionError otherwise."""
        for part in (path, *path.parents):
            if part == self.root:
                return path
            if part.is_symlink():
                raise PromotionError(
                    "a link is refused here: it may lead out of the config root",
                    where=part,
                    fix="put the file or folder itself in its place",
                )
        raise PromotionError("the path is outside the config root", where=path, fix="name a file inside it")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the policy and its history against every other process. Not to be nested."""
        if not self.live.is_file():
            raise PromotionError(
                "there is no policy to change here",
                where=self.live,
                fix="let INVARLOCK_CONFIG_ROOT name the folder that holds runtime/tiers.yaml",
            )
        with locked(self._at(".promotion.lock")):
            yield

    def live_sha256(self) -> str:
        """Hex SHA-256 of the tiers file in force."""
        return sha256_hex(self.live.read_bytes())

    def _at(self, *names: str) -> Path:
        return self.contained(self.root.joinpath("runtime", *names))
