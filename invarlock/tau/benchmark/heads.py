"""The heads that are compared. Each gives P, Q and a direction for every sample; the gate is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch

from invarlock.tau.benchmark.assay import IN_RANGE, Readings
from invarlock.tau.benchmark.training import Training, train
from invarlock.tau.gate_dtype import Floats


class Heads(NamedTuple):
    """What a head says; float32 arrays of n samples.

    p, q: P / Q is log10(c / EC50), and |Q| what the gate looks at; direction: below 0 where the dose lies below
    what can be told, if it is out of range at all, above 0 where it lies above; NaN where the head cannot say.
    """

    p: Floats
    q: Floats
    direction: Floats


# Learns from the first readings, then says what it makes of the second.
Head = Callable[[Readings, Readings, Training], Heads]

_CLIP = 1.5 * IN_RANGE  # log10(theta / (1 - theta)) beyond which all doses are alike to the regressor


def closed_form(_training: Readings, others: Readings, _how: Training) -> Heads:
    """The curve read backwards, with Q = theta (1 - theta): nothing is learned, noise beyond a plateau is a fault."""
    theta, slope, _ = others.features.T
    q = theta * (1 - theta)
    with np.errstate(divide="ignore", invalid="ignore"):  # beyond a plateau there is no logarithm: a fault
        p = q * np.log10(theta / (1 - theta)) / slope
    return Heads(p=p, q=q, direction=theta - np.float32(0.5))


def regressor(training: Readings, others: Readings, how: Training) -> Heads:
    """A plain network for the dose, censored ones clipped; Q is how far its answer's response is from a plateau."""
    slope = training.features[:, 1]
    target = np.clip(training.log_dose, -_CLIP / slope, _CLIP / slope)
    net = train(training.features, target[:, None], how, torch.nn.functional.mse_loss)
    log_dose = net(others.features)[:, 0]
    theta = 1 / (1 + np.float32(10) ** (-others.features[:, 1] * log_dose))
    q = np.minimum(theta, 1 - theta)
    return Heads(p=log_dose * q, q=q, direction=log_dose)


def rational(training: Readings, others: Readings, how: Training) -> Heads:
    """A network for (P, Q) on the unit circle: along (log dose, 1) in range, (-1, 0) or (1, 0) where censored."""
    pairs = np.stack([training.log_dose, np.ones_like(training.log_dose)], axis=1)
    poles = np.stack([training.side.astype(np.float32), np.zeros_like(training.log_dose)], axis=1)
    target = np.where(
        training.is_in_range[:, None], pairs / np.linalg.norm(pairs, axis=1, keepdims=True), poles
    )

    def loss(raw: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mse_loss(torch.nn.functional.normalize(raw, dim=1), wanted)

    raw = train(training.features, target, how, loss)(others.features)
    p, q = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).T
    return Heads(p=p, q=q, direction=p)


HEADS: Mapping[str, Head] = MappingProxyType(
    {"closed_form": closed_form, "rational": rational, "regressor": regressor}
)
