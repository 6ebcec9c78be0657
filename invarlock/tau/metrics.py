"""The sweep under the seed's names (seed 004)."""

from invarlock.tau.sweep import tau_infer_sweep_from_q_abs

__all__ = ["tau_infer_sweep_from_q_abs"]
