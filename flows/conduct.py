"""What every sweep goes through: measure and judge while MLflow keeps the runs, publish, log. Computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from prefect import Flow, Task
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.settings import temporary_settings

from invarlock import progress
from invarlock.calibration.sweep_plan import Cell, SweepPlan
from invarlock.calibration.sweep_request import CalibrationRequest, SweepRequest
from invarlock.home import home
from invarlock.network import apply_network_switch
from invarlock.policy.schema import Tier
from invarlock.reports.run_report import RunRecord
from invarlock.reports.sweep_folder import SweepFolder, claim
from invarlock.reports.sweep_report import SweepReport, Work
from invarlock.reports.sweep_result import CalibrationResult, Links
from invarlock.reports.sweep_results import sweep_files
from invarlock.store.documents import Reference, References
from tasks.artifacts import flow_run_url
from tasks.flow_lease import flow_lease
from tasks.resources import read_record
from tasks.runners import task_runner
from tasks.sweep_log import EXPERIMENT, Entry, begin_sweep, cell_run, finish_sweep, log_cell
from tasks.tracking_process import TrackingProcess
from tasks.tracking_records import RunHandle
from tasks.work_clock import WorkClock

K = TypeVar("K", Reference, References)
A = TypeVar("A", bound=CalibrationRequest)
Q = TypeVar("Q", bound=SweepRequest)
P = TypeVar("P", bound=SweepPlan[Any])
R = TypeVar("R", bound=RunRecord)
S = TypeVar("S", bound=SweepReport)
T = TypeVar("T", bound=CalibrationResult)
Future = PrefectFuture[Reference]


@dataclass(frozen=True)
class SeedRuns:
    """Tasks under way for one seed of one model: what its verdicts need, in order, and the verdicts."""

    cells: Sequence[Cell]
    needs: Sequence[Future]
    verdicts: PrefectFuture[References]


@dataclass(frozen=True)
class Submitted:
    """All tasks of a sweep: a measurement for each variant of a model, and the runs seed by seed."""

    variants: Sequence[Future]
    runs: Sequence[SeedRuns]


@dataclass(frozen=True)
class Judged:
    """What a sweep's tasks kept: a measurement for each variant of a model, a report for each cell."""

    variants: Sequence[Reference]
    reports: Mapping[Cell, Reference]

    def of(self, tier: Tier) -> tuple[Reference, ...]:
        """The reports of ``tier``."""
        return tuple(reference for cell, reference in self.reports.items() if cell.tier is tier)


@dataclass(frozen=True)
class Steps(Generic[P, R, S, T]):
    """What tells one kind of sweep from another.

    publish: summarize, and put the results under their final name; entry, run_entry, metrics: what MLflow shows of the
    sweep, of a run, and of what was found; patch: the name of its file, None where it recommends no policy;
    result, show: what the caller gets, and its page in Prefect.
    """

    submit: Callable[[P], Submitted]
    publish: Callable[[SweepFolder, P, Judged, Callable[[], Work]], S]
    run_report: type[R]
    entry: Callable[[P], Entry]
    run_entry: Callable[[R], Entry]
    metrics: Callable[[S], Mapping[str, float]]
    patch: str | None
    result: Callable[[Path, P, S, Links], T]
    show: Callable[[T], None]


def run_name() -> str:
    """What a flow run is called: the config and the profile."""
    request: CalibrationRequest = flow_run.parameters["request"]
    return f"{Path(request.config).stem} {request.profile}"


@contextmanager
def without_heartbeat() -> Iterator[None]:
    """Flow runs in this process: else each waits a second at its end for a heartbeat thread."""
    with temporary_settings({"flows.heartbeat_frequency": None}):
        yield


def run_here(sweep: Flow[[A], T], request: A) -> T:
    """Conduct the flow ``sweep`` in this process; ``request.runner`` says where its tasks run."""
    runner = task_runner(request.runner, request.jobs, request.dask_address)
    with without_heartbeat():
        return sweep.with_options(task_runner=runner)(request)


def conduct(request: Q, settle: Callable[[Q], P], steps: Steps[P, R, S, T]) -> T:
    """Settle a sweep and carry it out: the body of its flow."""
    with at_work(request) as (clock, tracking):
        plan = settle(request)
        clock.lap("plan")
        return carry_out(plan, steps, clock, tracking, out=request.out, fresh=request.fresh)


@contextmanager
def at_work(request: CalibrationRequest) -> Iterator[tuple[WorkClock, TrackingProcess]]:
    """A flow run that is known to be alive, in a process that may use the network or not; its clock, and MLflow."""
    apply_network_switch(request.allow_network)  # a worker's process has not been through the command line
    with flow_lease(home() / "flow_runs"), TrackingProcess(home(), EXPERIMENT) as tracking:
        yield WorkClock(), tracking


def carry_out(
    plan: P,
    steps: Steps[P, R, S, T],
    clock: WorkClock,
    tracking: TrackingProcess,
    *,
    out: Path,
    fresh: bool = False,
) -> T:
    """Measure and judge what ``plan`` says, publish it at ``out``, log it and show it on the flow run's page."""
    with claim(out, plan.run_key, fresh=fresh) as folder:
        submitted = steps.submit(plan)
        run = tracking.begin(begin_sweep, plan, steps.entry(plan))
        judged = _collect(submitted, plan, steps, tracking, run)
        clock.lap("measure, judge and log runs")
        report = steps.publish(folder, plan, judged, lambda: clock.work(run.run_id))
        patch = folder.out / steps.patch if steps.patch else None
        metrics, files = steps.metrics(report), sweep_files(folder.out)
        run = tracking.call(finish_sweep, run, report, patch, metrics, files)
    links = Links(mlflow_run_id=run.run_id, mlflow_url=tracking.page_of(run), prefect_url=flow_run_url())
    result = steps.result(folder.out, plan, report, links)
    steps.show(result)
    return result


def submit(task: Task[..., K], *arguments: object, **named: object) -> PrefectFuture[K]:
    """Submit ``task``; a future among its arguments stands for its value."""
    return task.submit(*arguments, return_state=False, **named)


def _collect(
    submitted: Submitted, plan: P, steps: Steps[P, R, S, T], tracking: TrackingProcess, run: RunHandle
) -> Judged:
    """Log each run as soon as it is judged, while the next are measured."""
    progress.announce("runs", sum(len(seed.cells) for seed in submitted.runs))
    reports: dict[Cell, Reference] = {}
    for seed in submitted.runs:
        for need in (
            seed.needs
        ):  # first, so that a failure surfaces as itself and not as a verdict that could not start
            need.result()
        verdicts = seed.verdicts.result().items
        for cell in seed.cells:
            reports[cell] = verdicts[cell.folder]
            report = read_record(reports[cell], steps.run_report)
            tracking.call(log_cell, run, cell_run(plan, cell, reports[cell], report, steps.run_entry(report)))
            progress.advance("runs")
    return Judged(variants=[variant.result() for variant in submitted.variants], reports=reports)
