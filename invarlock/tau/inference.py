"""The gate, the wrapper and the bundle under the seed's names (seed 004)."""

from invarlock.tau.bundle import export_bundle
from invarlock.tau.bundle_load import Bundle, load_bundle
from invarlock.tau.bundle_record import BundleMetadata, Calibration, Gauge
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import StrictInference, strict_inference
from invarlock.tau.strict_torch import strict_inference_torch
from invarlock.tau.wrapper import SCMInferenceWrapper

__all__ = [
    "Bundle",
    "BundleMetadata",
    "Calibration",
    "Gauge",
    "InferenceConfig",
    "SCMInferenceWrapper",
    "StrictInference",
    "export_bundle",
    "load_bundle",
    "strict_inference",
    "strict_inference_torch",
]
