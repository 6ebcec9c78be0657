"""Where edge risk is measured: the modules of the spectral guard and the norm layers (design page 2)."""

from __future__ import annotations

import re

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.modules import modules_of
from invarlock.families import Family
from invarlock.measure.edge_records import EdgeSite
from invarlock.measure.invariants import norm_layers

# Where transformers builds other modules than checkpoints name: experts are one fused layer, which only its sum leaves.
_BUILT = (
    (re.compile(r"\.block_sparse_moe\b"), ".mlp"),
    (re.compile(r"\.experts[.\[].*$"), ".experts"),
    (re.compile(r"^embed_out$"), "lm_head"),
)


def edge_sites(source: TensorSource) -> tuple[EdgeSite, ...]:
    """The sites of the model that ``source`` loads as, each once: matrices in the checkpoint's order, then norms.

    The experts of a layer are one site, their routed sum. A tied tensor is one site, by the name of its module: an
    output head that is tied to the embedding has none. Raises what :func:`modules_of` raises.
    """
    families = {_built(module.name): module.family for module in modules_of(source)}
    for name in norm_layers(source):
        families.setdefault(_built(name), Family.OTHER)
    return tuple(EdgeSite(module=module, family=family) for module, family in families.items())


def _built(path: str) -> str:
    for stored, built in _BUILT:
        path = stored.sub(built, path)
    return path
