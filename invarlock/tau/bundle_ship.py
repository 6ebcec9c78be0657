"""The one way in which a bundle gets its name: joined, asked what it does, sealed, then published."""

from __future__ import annotations

import json
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.tau.bundle_files import METADATA, MODEL, publish
from invarlock.tau.bundle_graph import Graph, joined, sealed
from invarlock.tau.bundle_probe import Example, compare_example, probe_gate
from invarlock.tau.bundle_record import BundleDescription, BundleMetadata


def ship(folder: Path, model: Graph, gate: Graph, example: Example, description: BundleDescription) -> None:
    """Join ``model`` and ``gate``, and publish them as ``folder`` if they do what ``description`` says.

    They are asked on ``example``, and at the thresholds. Raises as :func:`compare_example`, :func:`probe_gate` and
    :func:`publish` do; nothing is left then.
    """
    graph = joined(model, gate)
    compare_example(model, graph, example, description.config)
    probe_gate(graph, description.config, description.dtype)
    data = sealed(graph, description.digest())
    metadata = BundleMetadata(**dict(description), model_sha256=sha256_hex(data))
    text = json.dumps(metadata.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
    publish(folder, {MODEL: data, METADATA: text.encode() + b"\n"})
