"""The scales that each cell of a VE sweep proposes, and which of them have to be run: pure, from branch moments."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.guards.variance_scales import ScaleProposal, propose_scales
from invarlock.measure.branch_records import BranchRecord, VirtualScales
from invarlock.record import Record


class ScaleTest(Record):
    """A scale set to be run. windows: the most that a cell which proposes it decides on."""

    scales: VirtualScales
    windows: int


class SeedProposals(Record):
    """What the cells of one seed propose, by cell folder, and each distinct scale set once, in that order."""

    by_cell: Mapping[str, ScaleProposal]
    tests: tuple[ScaleTest, ...]


def propose_for_seed(
    plan: VeSweepPlan, model: str, seed: int, baseline: BranchRecord, edited: BranchRecord
) -> SeedProposals:
    """Each cell proposes from the first of the seed's calibration windows, as many as it decides on.

    Only at branches that the edit touches: elsewhere a scale would not make good what the edit did (seed 003).
    Raises what :func:`~invarlock.guards.variance_scales.propose_scales` raises.
    """
    taps = plan.model_of(model).edited
    proposals: dict[str, ScaleProposal] = {}
    tests: dict[str, ScaleTest] = {}
    for cell in plan.cells_of(model, seed):
        policy = plan.policies[cell.tier].policy.variance
        count = cell.windows
        proposal = propose_scales(baseline.moments[:count], edited.moments[:count], taps, policy)
        proposals[cell.folder] = proposal
        if policy.predictive_gate and (scales := proposal.scales) is not None:
            known = tests.get(scales.digest)
            most = max(count, known.windows) if known else count
            tests[scales.digest] = ScaleTest(scales=scales, windows=most)
    return SeedProposals(by_cell=proposals, tests=tuple(tests.values()))
