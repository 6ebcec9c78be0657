"""InvarLock Calibration: measure a model once, decide from kept measurements."""

__version__ = "0.1.0"
