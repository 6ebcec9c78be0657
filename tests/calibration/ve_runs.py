"""Run reports of the variance guard, as the summary of a VE sweep reads them."""


def ve_report(
    delta_ci,
    mean_delta=None,
    *,
    windows=8,
    deviation=None,
    window_ids=(),
    reason=None,
    passed=None,
    one_sided=True,
    min_effect=0.0,
    tier="balanced",
    edited="edited",
    baseline="base",
    ci_method="t",
):
    """A run with this interval; without a ``mean_delta`` its middle, without ``passed`` what follows from both."""
    if delta_ci is not None and mean_delta is None:
        mean_delta = sum(delta_ci) / 2
    if passed is None:
        passed = delta_ci is not None and delta_ci[1] < 0 and delta_ci[1] <= -min_effect
    if reason is None:
        reason = "ci_gain_met" if passed else "ci_contains_zero"
    gate = {
        "evaluated": delta_ci is not None,
        "passed": passed,
        "reason": reason,
        "delta_ci": None if delta_ci is None else list(delta_ci),
        "gain_ci": None if delta_ci is None else [-delta_ci[1], -delta_ci[0]],
        "mean_delta": mean_delta,
        "deviation": deviation,
        "windows": windows,
        "one_sided": one_sided,
        "min_effect_lognll": min_effect,
        "ci_method": ci_method,
    }
    condition = {"window_ids": list(window_ids), "tag": "a"}
    ab_test = {"seed": 1, "windows_used": windows, "provenance": {"condition_a": condition}}
    return {
        "meta": {"tier": tier, "seed": 1},
        "model": {"id": "m", "digest": edited, "baseline_digest": baseline},
        "guards": [
            {"name": "invariants", "metrics": {}},
            {"name": "variance", "metrics": {"predictive_gate": gate, "ab_test": ab_test}},
        ],
    }


def gain_report(gain, **fields):
    """A run whose gain is ``gain`` nats per token."""
    return ve_report((-gain - 0.01, -gain), **fields)
