"""tau_infer: the sweep, the gate and the bundle under the seed's names (seed 004).

Each name is imported when it is first asked for: `import invarlock.tau` brings neither torch nor scipy, and the sweep
never brings torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invarlock.tau.bundle import export_bundle
    from invarlock.tau.bundle_load import load_bundle
    from invarlock.tau.inference_config import InferenceConfig
    from invarlock.tau.sweep import tau_infer_sweep_from_q_abs
    from invarlock.tau.sweep_files import write_tau_infer_sweep
    from invarlock.tau.wrapper import SCMInferenceWrapper

__all__ = [
    "InferenceConfig",
    "SCMInferenceWrapper",
    "export_bundle",
    "load_bundle",
    "tau_infer_sweep_from_q_abs",
    "write_tau_infer_sweep",
]

_HOMES = {
    "InferenceConfig": "inference_config",
    "SCMInferenceWrapper": "wrapper",
    "export_bundle": "bundle",
    "load_bundle": "bundle_load",
    "tau_infer_sweep_from_q_abs": "sweep",
    "write_tau_infer_sweep": "sweep_files",
}

if not TYPE_CHECKING:  # a type checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
