"""The sweep and its files under the seed's names (seed 004)."""

from invarlock.tau.sweep import tau_infer_sweep_from_q_abs
from invarlock.tau.sweep_files import write_tau_infer_sweep

__all__ = ["tau_infer_sweep_from_q_abs", "write_tau_infer_sweep"]
