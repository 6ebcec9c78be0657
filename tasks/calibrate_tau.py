"""Task: sweep |Q| and recommend a tau_infer from it. Found again for the same bytes and the same question."""

from __future__ import annotations

from invarlock.calibration.tau import find_tau
from invarlock.calibration.tau_plan import SampleFiles, ensure_unchanged, open_samples
from invarlock.calibration.tau_records import TauQuestion
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents


@cached_task(name="calibrate tau", key=("question",))
def calibrate_tau(question: TauQuestion, files: SampleFiles) -> Reference:
    """The findings; files: where the samples that ``question`` names by their hash are."""
    found = find_tau(open_samples(files, question), question)
    ensure_unchanged(files, question)
    return documents().put(found)
