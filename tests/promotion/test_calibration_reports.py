"""What the reports of each sweep, and of all together, say that a patch rests on."""

import pytest

from invarlock.calibration.rmt import summarize_rmt_sweep_reports
from invarlock.calibration.ve import summarize_ve_sweep_reports
from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.files import write_json
from invarlock.policy.tiers_file import TiersFile, live_tiers_path, read_tiers, tiers_digest
from invarlock.policy.tree import merge
from invarlock.promotion.provenance import prove
from invarlock.promotion.sweep_basis import bases_of, recommended_patch
from invarlock.reports import full_files, null_sweep_files, rmt_sweep_files, ve_sweep_files
from invarlock.reports.full_parts import FullPart
from invarlock.reports.full_report import FullOptions, FullReport
from invarlock.reports.rmt_sweep_report import RmtSweepOptions, RmtSweepReport
from invarlock.reports.ve_sweep_report import VeSweepOptions, VeSweepReport
from tests.calibration.test_rmt import redraws
from tests.calibration.ve_runs import gain_report
from tests.promotion.config_root import report, shipped_root
from tests.promotion.sweep_runs import live, null_report, sealed_run

RMT, VE, NULL = (
    f"rmt_sweep/{rmt_sweep_files.REPORT}",
    f"ve_sweep/{ve_sweep_files.REPORT}",
    f"null_sweep/{null_sweep_files.REPORT}",
)


@pytest.fixture
def root(tmp_path):
    return shipped_root(tmp_path / "configs")


def common(root):
    base = report(tiers_digest(live_tiers_path(root)))
    fields = {
        name: getattr(base, name) for name in ("generated_at", "measurements", "provenance", "volatile")
    }
    return base.config.model_dump(), fields


def rmt_report(root, runs=6):
    options, fields = common(root)
    deltas = [[0.001 * seed, 0.002 * seed, 0.0, 0.003 * seed] for seed in range(1, runs + 1)]
    summary = summarize_rmt_sweep_reports(redraws(deltas), tier="balanced")
    config = RmtSweepOptions(**options, null="redraw", quantile=0.95, windows=4)
    return RmtSweepReport(config=config, summaries={"balanced": summary}, **fields)


def ve_report(root, gains=(0.01, 0.02, 0.03, 0.04, 0.05, 0.06)):
    options, fields = common(root)
    gains = [gain_report(gain, window_ids=[f"w{n}"]) for n, gain in enumerate(gains)]
    summary = summarize_ve_sweep_reports(gains, tier="balanced", target_enable_rate=0.05)
    config = VeSweepOptions(
        **options, edit="quant_rtn", edit_plan={}, windows=(8,), target_enable_rate=0.05, rule="target-rate"
    )
    return VeSweepReport(config=config, summaries={"balanced": summary}, power_curve=(), **fields)


def test_an_rmt_sweep_supports_family_by_family(root):
    [basis] = bases_of(rmt_report(root))
    assert (basis.sweep, basis.n_runs, basis.n_effective) == ("rmt-sweep", 6, 6)
    unsupported = {f"rmt_guard.epsilon_by_family.{name}" for name in ("ffn", "attn", "other")}
    assert set(basis.unsupported) == unsupported
    assert set(basis.unsupported.values()) == {"it would take 59 independent runs"}
    [enough] = bases_of(rmt_report(root, runs=60))
    assert enough.unsupported == {}


def test_a_ve_sweep_supports_its_one_key_or_not(root):
    [basis] = bases_of(ve_report(root))
    assert (basis.sweep, basis.n_runs, basis.n_effective) == ("ve-sweep", 6, 6)
    assert list(basis.unsupported) == ["variance_guard.min_effect_lognll"]
    [enough] = bases_of(ve_report(root, [0.01] * 60))
    assert enough.unsupported == {}


def test_a_null_sweep_that_shows_no_rate_supports_neither_caps_nor_alpha(root):
    [basis] = bases_of(null_report(root, target=0.01))
    assert set(basis.unsupported) == {"spectral_guard.family_caps", "spectral_guard.multiple_testing"}


def full_run(root, folder):
    """A calibration of everything: the run, and its report."""
    parts = {"null_sweep": null_report(root), "rmt_sweep": rmt_report(root), "ve_sweep": ve_report(root)}
    own = {
        name: part.model_copy(
            update={"provenance": part.provenance.model_copy(update={"run_key": digest_of(name)})}
        )
        for name, part in parts.items()
    }
    paths = dict(zip(own, (NULL, RMT, VE), strict=True))
    for name, part in own.items():
        write_json(folder / paths[name], part.model_dump(mode="json"))
    base = report(tiers_digest(live_tiers_path(root)))
    full = FullReport(
        generated_at=base.generated_at,
        volatile=base.volatile,
        run_key=digest_of({name: part.provenance.run_key for name, part in own.items()}),
        config=FullOptions(
            base_config="all.yaml",
            config_sha256="c" * 64,
            basis="demo",
            profile="ci",
            tiers=("balanced",),
            seeds=(1,),
            model="m",
            edit="quant_rtn",
            edit_plan={},
            null="benign",
        ),
        tiers_sha256=base.provenance.tiers_sha256,
        parts={
            name: FullPart(
                title=name,
                run_key=part.provenance.run_key,
                content_sha256=part.content_sha256,
                n_runs=6,
                report=paths[name],
                summary="summary.md",
                patch="patch.yaml",
                scope="",
                statements={},
                notes=(),
            )
            for name, part in own.items()
        },
        recommendations=(),
        kept=0,
    )
    return kept(folder, full, own), full


def kept(folder, full, parts):
    """The run, with the combined patch of ``parts`` and a manifest over what ``folder`` holds."""
    values = {}
    for part in parts.values():
        values = merge(values, read_tiers(recommended_patch(part), folder).given())
    write_json(folder / full_files.REPORT, full.model_dump(mode="json"))
    (folder / full_files.PATCH).write_text(full_files.patch_yaml(full, TiersFile.model_validate(values)))
    return sealed_run(folder, full.run_key, full.tiers_sha256, full_files.PATCH)


def proved(run, root):
    return prove((run.folder / full_files.PATCH).read_text(), run, live_sha256=live(root))


def test_a_patch_of_everything_rests_on_every_sweep(root, tmp_path):
    run, _ = full_run(root, tmp_path / "run")
    assert [basis.sweep for basis in proved(run, root)] == ["null-sweep", "rmt-sweep", "ve-sweep"]


def test_a_part_that_is_altered_or_another_runs_is_refused(root, tmp_path):
    folder = tmp_path / "run"
    run, full = full_run(root, folder)
    other = rmt_report(root, runs=7)
    write_json(folder / RMT, other.model_dump(mode="json"))
    with pytest.raises(PromotionError, match=f"{RMT} is altered"):
        proved(run, root)
    run = sealed_run(folder, full.run_key, full.tiers_sha256, full_files.PATCH)
    with pytest.raises(PromotionError, match=f"{RMT} is not the report that"):
        proved(run, root)
    (folder / RMT).unlink()
    run = sealed_run(folder, full.run_key, full.tiers_sha256, full_files.PATCH)
    with pytest.raises(PromotionError, match=f"the run has no {RMT}"):
        proved(run, root)


def test_parts_that_are_not_those_of_the_run_key_are_refused(root, tmp_path):
    folder = tmp_path / "run"
    run, full = full_run(root, folder)
    fewer = full.model_copy(update={"parts": {"rmt_sweep": full.parts["rmt_sweep"]}})
    text = (folder / full_files.PATCH).read_text()
    write_json(folder / full_files.REPORT, fewer.model_dump(mode="json"))
    (folder / full_files.PATCH).write_text(text.replace(full.content_sha256, fewer.content_sha256))
    run = sealed_run(folder, full.run_key, full.tiers_sha256, full_files.PATCH)
    with pytest.raises(PromotionError, match="has parts of other runs"):
        proved(run, root)
