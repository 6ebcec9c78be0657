"""The baselines of a null sweep: opened, with every seed's windows and, for a benign null, its harmless edit."""

from __future__ import annotations

from invarlock.calibration.null_plan import NullModel
from invarlock.calibration.sweep_plan import labelled
from invarlock.calibration.sweep_request import SweepRequest
from invarlock.calibration.sweep_settings import SweepSettings
from tasks.draw_edits import draw_edits
from tasks.draw_windows import draw_windows
from tasks.open_model import open_model


def plan_null_models(request: SweepRequest, settings: SweepSettings, *, benign: bool) -> list[NullModel]:
    """Every model that ``settings`` name; benign: with an edit a seed."""
    return [_plan(request, settings, *named, benign=benign) for named in labelled(settings.references)]


def _plan(
    request: SweepRequest, settings: SweepSettings, reference: str, label: str, *, benign: bool
) -> NullModel:
    identity = open_model(reference, allow_network=request.allow_network, allow_pickle=request.allow_pickle)
    windows = draw_windows(
        identity.root,
        settings.config.dataset,
        seeds=request.seeds,
        preview=settings.preview,
        final=settings.final,
        allow_network=request.allow_network,
    )
    edits = draw_edits(identity.root, identity.digest, request.seeds) if benign else {}
    return NullModel(label=label, identity=identity, windows=windows, edits=edits)
