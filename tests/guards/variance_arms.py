"""Branch moments and losses of small arms: what the variance guard is tested on."""

from collections.abc import Mapping, Sequence

from invarlock.families import Family
from invarlock.guards.variance import Arm, PredictiveTest
from invarlock.guards.variance_scales import ScaleProposal, propose_scales
from invarlock.measure.branch_records import BranchMoments, Tap
from invarlock.measure.records import WindowLoss
from invarlock.policy.variance import VariancePolicy


def tap(block: int, family: Family = Family.FFN) -> Tap:
    """A tap of a llama-like model: its own name says nothing to the shipped pattern, the canonical one does."""
    own, canonical = (
        ("mlp.down_proj", "mlp.c_proj") if family is Family.FFN else ("self_attn.o_proj", "attn.c_proj")
    )
    return Tap(
        module=f"model.layers.{block}.{own}",
        canonical=f"transformer.h.{block}.{canonical}",
        family=family,
        block=block,
    )


def moments(by_tap: Mapping[Tap, float], windows: int = 8) -> list[BranchMoments]:
    """The same moments on every window."""
    values = {tap.module: value for tap, value in by_tap.items()}
    positions = dict.fromkeys(values, 16)
    return [
        BranchMoments(window_id=f"w{i}", tokens=16, second_moments=values, positions=positions)
        for i in range(windows)
    ]


def propose(alphas: Mapping[int, float], **policy: object) -> ScaleProposal:
    """What is proposed when the ffn branch of each block needs the given factor."""
    base = moments({tap(block): alpha**2 for block, alpha in alphas.items()})
    edited = moments({tap(block): 1.0 for block in alphas})
    return propose_scales(base, edited, [tap(block) for block in alphas], VariancePolicy(**policy))


def arm(deltas: Sequence[float], digest: str, level: float = 3.0) -> Arm:
    """Losses of ``level`` + delta nats per token over 100 tokens a window."""
    losses = [
        WindowLoss(window_id=f"w{i}", nll=100 * (level + delta), tokens=100) for i, delta in enumerate(deltas)
    ]
    return Arm(model_digest=digest, losses=tuple(losses))


def predictive_test(deltas: Sequence[float], *, asked: int | None = None, run: bool = True) -> PredictiveTest:
    """A test whose B - A are ``deltas``; the edit cost 0.25 nats per token. run: whether B was."""
    return PredictiveTest(
        seed=5,
        asked=len(deltas) if asked is None else asked,
        edited=arm([0.0] * len(deltas), "a" * 64),
        equalized=arm(deltas, "b" * 64) if run else None,
        base=arm([0.0] * len(deltas), "0" * 64, level=2.75),
        dataset_hash="d" * 64,
        tokenizer_hash="e" * 64,
    )
