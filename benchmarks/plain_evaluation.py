"""An evaluation without an orchestrator: the flow's steps by plain calls, the baseline's once for every subject."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import transformers.models.gpt2.modeling_gpt2
import transformers.models.llama.modeling_llama  # noqa: F401  imported late by the library: not part of the work

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.config import EditSpec
from invarlock.data.drawing import draw_schedules
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import Window, WindowPool, build_pool
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.measured import ArmMeasured, Measured
from invarlock.evaluation.request import EvaluationRequest
from invarlock.evaluation.settings import EvaluationSettings, read_evaluation_settings
from invarlock.measure.arm import measure_arm
from invarlock.measure.arm_records import ArmRuns, ArmWeights
from invarlock.measure.edge_sites import edge_sites
from invarlock.measure.identity import identify_model
from invarlock.measure.models import LoadedModel, load_model, pick_device
from invarlock.measure.predictable_tokens import predictable_tokens
from invarlock.measure.records import ModelIdentity
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.subject import measure_subject
from invarlock.measure.subject_edit import plan_subject_edit
from invarlock.provenance import code_version
from invarlock.store.measurement_store import MeasurementStore


@dataclass(frozen=True)
class PlainEvaluations:
    """Evaluations of many subjects against the baseline of ``request``, whose own subject does not matter.

    Variance equalization is left out, and edit configs that edit: a subject is evaluated as it is saved.
    """

    request: EvaluationRequest
    store: MeasurementStore

    @cached_property
    def settings(self) -> EvaluationSettings:
        """Of the request's files."""
        return read_evaluation_settings(self.request)

    @cached_property
    def identity(self) -> ModelIdentity:
        """Of the baseline."""
        return identify_model(self.request.baseline)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The baseline's."""
        return open_checkpoint(self.identity.root)

    @cached_property
    def pool(self) -> WindowPool:
        """All windows of the preset's data set."""
        return build_pool(self.settings.preset.dataset, load_tokenizer(self.checkpoint.root))

    @cached_property
    def baseline(self) -> ArmMeasured:
        """The baseline, measured."""
        return self.arm(self.plan(self.request.baseline), self.identity)

    def plan(self, subject: str) -> EvaluationPlan:
        """What the evaluation of the checkpoint in folder ``subject`` is. Raises what the command would exit 2 on."""
        settings, identity = self.settings, identify_model(subject)
        seq_len = settings.preset.dataset.seq_len
        plan_subject_edit(self.checkpoint, open_checkpoint(subject), EditSpec(), seq_len=seq_len)
        return EvaluationPlan(
            inputs=settings.inputs,
            dataset=settings.preset.dataset,
            profile=self.request.profile,
            tier=self.request.tier,
            assurance=self.request.assurance,
            metric=settings.metric,
            arithmetic=Arithmetic(
                dtype=settings.preset.model.dtype,
                device=pick_device(settings.device),
                batch_size=settings.preset.eval.batch_size,
            ),
            baseline=self.identity,
            subject=identity,
            edit=None,
            taps=(),
            windows=draw_schedules(
                self.pool, seeds=(self.request.seed,), preview=settings.preview, final=settings.final
            ),
            predictable_tokens=predictable_tokens(self.pool.windows, self.checkpoint),
            replicates=settings.replicates,
            policy=settings.policy,
            contract=CONVERGED,
            code=code_version(),
        )

    def measured(self, plan: EvaluationPlan) -> Measured:
        """Both models; the baseline only the first time."""
        return Measured(baseline=self.baseline, subject=self.arm(plan, plan.subject), variance=None)

    def arm(self, plan: EvaluationPlan, model: ModelIdentity) -> ArmMeasured:
        """One of the two models of ``plan``, weights and runs."""
        weights = measure_subject(
            open_checkpoint(model.root),
            self.checkpoint,
            subject_digest=model.digest,
            baseline_digest=self.identity.digest,
            edit=None,
            store=self.store,
            contract=plan.contract,
        )
        return ArmMeasured.of(weights, self._runs(plan, model, weights))

    def live(self, plan: EvaluationPlan, model: ModelIdentity) -> LoadedModel:
        """``model`` in memory."""
        return load_model(
            open_checkpoint(model.root),
            model_digest=model.behaviour(model.digest),
            dtype=plan.arithmetic.dtype.value,
            device=plan.arithmetic.device,
        )

    def windows(self, plan: EvaluationPlan) -> tuple[Window, ...]:
        """Preview, then final."""
        return self.pool.select(plan.schedule.preview + plan.schedule.final)

    def _runs(self, plan: EvaluationPlan, model: ModelIdentity, weights: ArmWeights) -> ArmRuns | None:
        if weights.variant is None:
            return None
        sites = edge_sites(open_checkpoint(model.root))
        live, windows = self.live(plan, model), self.windows(plan)
        return measure_arm(live, windows, sites, self.store, plan.contract, count_hits=False)
