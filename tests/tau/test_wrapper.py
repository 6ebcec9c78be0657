import copy

import pytest
import torch
from torch import nn

from invarlock.tau.errors import TauError
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict_torch import strict_inference_torch
from invarlock.tau.wrapper import SCMInferenceWrapper
from tests.tau.heads import Gives, RationalHead

CONFIG = InferenceConfig(tau_infer=1e-2, tau_train=1.0)
X = torch.tensor([[1.0, 2.0], [1.0, 0.0], [1.0, 0.5], [float("inf"), 1.0]])


def test_eval_decodes_and_keeps_the_other_masks():
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG).eval()
    decoded, bottom, gap = wrapped(X)
    expected = strict_inference_torch(X[:, 0], X[:, 1], CONFIG)
    torch.testing.assert_close(decoded, torch.tensor([0.5, torch.nan, 2.0, torch.nan]), equal_nan=True)
    assert bottom.tolist() == [False, True, False, True]
    assert gap.tolist() == [False, False, True, False]
    assert wrapped.fault_mask.equal(expected.fault_mask)
    assert wrapped.semantic_bottom_mask.equal(expected.semantic_bottom_mask)
    assert wrapped.bottom_provenance.tolist() == [0, 2, 0, 1]


def test_train_gives_the_raw_pair_and_forgets_the_masks():
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG).eval()
    wrapped(X)
    p, q = wrapped.train()(X.requires_grad_())
    assert p.equal(X[:, 0])
    assert q.equal(X[:, 1])
    assert q.requires_grad
    assert (wrapped.fault_mask, wrapped.semantic_bottom_mask, wrapped.bottom_provenance) == (None,) * 3


def test_the_masks_are_no_part_of_the_state():
    wrapped = SCMInferenceWrapper(nn.Sequential(nn.Linear(2, 2), RationalHead()), CONFIG).eval()
    before = copy.deepcopy(wrapped.state_dict())
    wrapped(torch.ones(3, 2))
    assert wrapped.state_dict().keys() == before.keys() == {"model.0.weight", "model.0.bias"}


def test_named_inputs_reach_the_model():
    class Named(nn.Module):
        def forward(self, x, *, scale):
            return x, x * scale

    wrapped = SCMInferenceWrapper(Named(), CONFIG).eval()
    assert wrapped(torch.ones(1), scale=4.0)[0].item() == 0.25


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("output", "said"),
    [
        (torch.ones(2, 3), "Tensor"),
        ((torch.ones(2),), "1 tensors"),
        ((torch.ones(2),) * 3, "3 tensors"),
        ((torch.ones(2), None), "pair"),
        ({"P": torch.ones(2), "Q": torch.ones(2)}, "dict"),
        ((torch.ones(2), torch.ones(3)), "shape"),
        ((torch.ones(2), torch.ones(())), "shape"),
        (None, "NoneType"),
    ],
)
def test_anything_but_a_pair_is_refused(output, said, training):
    wrapped = SCMInferenceWrapper(Gives(output), CONFIG).train(training)
    with pytest.raises(TauError, match=said):
        wrapped(X)


def test_a_number_is_no_config():
    with pytest.raises(TauError, match="float, no InferenceConfig"):
        SCMInferenceWrapper(RationalHead(), 1e-5)
