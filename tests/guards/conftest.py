import numpy as np
import pytest

from invarlock.measure.records import InvariantsSnapshot


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Twelve ffn, eight attn, two embed matrices and one other, of differing scale."""
    rng = np.random.default_rng(7)
    counts = {"ffn": 12, "attn": 8, "embed": 2, "other": 1}
    return {
        f"{family}.{i}": rng.standard_normal((24, 16)) * rng.lognormal(sigma=0.1)
        for family, count in counts.items()
        for i in range(count)
    }


@pytest.fixture
def snapshot() -> InvariantsSnapshot:
    return InvariantsSnapshot(
        parameter_shapes={"wte": (100, 8), "lm_head": (100, 8), "h.0.w": (8, 32), "ln_f": (8,)},
        tied_groups=(("lm_head", "wte"),),
        norm_layers=("ln_f",),
        embedding_rows=100,
        vocabulary_size=100,
        config_sha256="c" * 64,
        nonfinite=(),
    )
