"""What a tau_infer must meet."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from invarlock.tau.errors import TauError


@dataclass(frozen=True)
class Requirement:
    """Of the samples that deployment will see, drawn as those of the calibration split were.

    max_fp: alpha, the share of the censored that may be accepted, inside (0, 1); confidence: 1 - delta, with which
    that is promised, inside (0, 1); max_fn, max_bottom: ceilings on the observed fn_in and bottom_rate, in [0, 1],
    None for no ceiling. TauError (a ValueError) on anything else.
    """

    max_fp: float
    confidence: float = 0.95
    max_fn: float | None = None
    max_bottom: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("max_fp", self.max_fp), ("confidence", self.confidence)):
            if not (isinstance(share, Real) and 0 < share < 1):
                raise TauError(
                    f"{name} {share} is not inside (0, 1)", where=name, fix="a share, such as 0.05"
                )
        for name, ceiling in (("max_fn", self.max_fn), ("max_bottom", self.max_bottom)):
            if ceiling is not None and not (isinstance(ceiling, Real) and 0 <= ceiling <= 1):
                raise TauError(f"{name} {ceiling} is not in [0, 1]", where=name, fix="a share, or None")
