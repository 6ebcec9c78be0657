"""A report of a real evaluation verifies; with any field of it changed, that very field is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from invarlock.digests import canonical_json, sha256_file
from invarlock.errors import ConfigError
from invarlock.evaluation.measured import Evidence
from invarlock.reports.evaluation_html import evaluation_html
from invarlock.reports.evaluation_manifest import (
    BASELINE_RUN,
    EVIDENCE,
    MARKDOWN,
    PAGE,
    REPORT,
    SUBJECT_RUN,
    file_names,
)
from invarlock.reports.evaluation_md import evaluation_markdown
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.json_difference import Path as JsonPath
from invarlock.reports.json_difference import path_text
from invarlock.reports.sweep_folder import MANIFEST
from invarlock.reports.verification import Disagreement
from invarlock.reports.verify import verify_evaluation
from tests.reports.evaluations import write_here

Document = dict[str, JsonValue]
EVERY = 61  # of the report's thousand fields, besides those that are named below

NAMED: dict[str, JsonPath] = {
    "ratio": ("primary_metric", "ratio_vs_baseline"),
    "interval": ("primary_metric", "display_ci", 1),
    "bias of the bootstrap": ("primary_metric", "interval", "bias"),
    "limit": ("primary_metric_gate", "limit"),
    "threshold": ("resolved_policy", "spectral", "family_caps", "attn"),
    "origin of a threshold": ("policy_provenance", "origins", "spectral.max_caps"),
    "override": ("policy_provenance", "overrides", 0, "value"),
    "z": ("spectral", "final_z_scores", "transformer.h.2.mlp.c_fc"),
    "z of a module": ("spectral", "modules", 3, "z"),
    "sigma": ("spectral", "modules", 3, "sigma"),
    "sigma of the baseline": ("spectral", "modules", 3, "sigma_base"),
    "hash of a tensor": ("spectral", "modules", 3, "tensor_sha256"),
    "edge risk": ("rmt", "families", "ffn", "edge_cur"),
    "hash of a run": ("subject_ref", "run_sha256"),
    "hash of what was measured": ("provenance", "measured_sha256"),
    "run key": ("run_id",),
    "policy digest": ("policy_digest", "thresholds_hash"),
    "verdict": ("verdict", "outcome"),
    "exit code": ("verdict", "exit_code"),
}


@pytest.fixture(scope="module")
def written(quantized: Evidence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_here(tmp_path_factory.mktemp("written"), quantized).parent


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "results")


def leaves(value: JsonValue, path: JsonPath = ()) -> Iterator[JsonPath]:
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))
    else:
        yield path


def at(document: JsonValue, path: JsonPath) -> JsonValue:
    for key in path:
        document = document[key]  # type: ignore[index,call-overload]
    return document


def other(value: JsonValue) -> JsonValue:
    """Another value of the same type, near the old one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value * (1 + 1e-6) if value else 1e-6
        case str():
            return ("0" if value[:1] != "0" else "1") + value[1:]
        case _:
            return 1


def change(file: Path, path: JsonPath, to: JsonValue | None = None) -> None:
    document = json.loads(file.read_bytes())
    holder = at(document, path[:-1])
    holder[path[-1]] = other(at(document, path)) if to is None else to  # type: ignore[index,call-overload]
    file.write_text(json.dumps(document, sort_keys=True))


def first(folder: Path) -> Disagreement:
    found = verify_evaluation(folder / REPORT)
    assert found.exit_code == 1
    assert found.first is not None
    return found.first


def where(folder: Path) -> tuple[str, str]:
    found = first(folder)
    return found.file, found.path


def test_what_was_written_verifies(folder: Path) -> None:
    found = verify_evaluation(folder / REPORT)
    assert found.first is None
    assert found.exit_code == 0
    report = json.loads((folder / REPORT).read_bytes())
    counts = {check.what.partition(",")[0]: check.compared for check in found.checks}
    # An empty list or mapping holds no field; the volatile block is not compared.
    assert counts[REPORT] == len(list(leaves({k: v for k, v in report.items() if k != "volatile"})))
    assert any("MLflow" in limit for limit in found.limits)


@pytest.mark.parametrize("path", NAMED.values(), ids=NAMED)
def test_a_changed_field_is_named(folder: Path, path: JsonPath) -> None:
    was = at(json.loads((folder / REPORT).read_bytes()), path)
    change(folder / REPORT, path)
    found = first(folder)
    assert (found.file, found.path) == (REPORT, path_text(path))
    assert found.expected == json.dumps(was)
    assert found.sentence.startswith(
        f"{REPORT}: {path_text(path)}: report says {json.dumps(other(was))}, recomputed "
    )


def test_every_flag_is_named(folder: Path) -> None:
    whole = (folder / REPORT).read_bytes()
    flags = list(json.loads(whole)["validation"])
    assert len(flags) == 7
    for flag in flags:
        change(folder / REPORT, ("validation", flag))
        assert where(folder) == (REPORT, f"validation.{flag}")
        (folder / REPORT).write_bytes(whole)


def test_any_field_is_named(folder: Path) -> None:
    whole = (folder / REPORT).read_bytes()
    document = json.loads(whole)
    paths = [path for path in leaves(document) if path[0] not in ("volatile", "schema_version")]
    for path in paths[::EVERY]:
        change(folder / REPORT, path)
        assert where(folder) == (REPORT, path_text(path))
        (folder / REPORT).write_bytes(whole)


@pytest.mark.parametrize("name", [BASELINE_RUN, SUBJECT_RUN])
def test_a_changed_loss_of_a_run_is_named(folder: Path, name: str) -> None:
    change(folder / name, ("windows", "final", 2, "nll"))
    assert where(folder) == (name, "windows.final[2].nll")


@pytest.mark.parametrize(
    "path",
    [
        ("measured", "subject", "losses", 3, "nll"),
        ("measured", "baseline", "losses", 12, "tokens"),
        ("measured", "subject", "variant", "weights", "modules", 4, "sigma_max"),
        ("plan", "policy", "policy", "spectral", "max_caps"),
        ("plan", "replicates"),
    ],
    ids=lambda path: path[-1],
)
def test_changed_evidence_is_named_where_reports_repeat_it(folder: Path, path: JsonPath) -> None:
    was = at(json.loads((folder / EVIDENCE).read_bytes()), path)
    change(folder / EVIDENCE, path)
    found = first(folder)
    assert (found.file, found.path) == (EVIDENCE, path_text(path))
    assert found.expected == json.dumps(was)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        (("measured", "subject", "edges", "sites", 3, "module"), "measured"),  # nothing can be judged from it
        (("measured", "subject", "variant", "weights", "modules", 4, "sigma_residual"), "measured"),
        (("plan", "windows", "schedules", "42", "calibration", 1), "plan"),
    ],
    ids=["contradiction", "in no report", "window"],
)
def test_other_changed_evidence_is_found(folder: Path, path: JsonPath, part: str) -> None:
    change(folder / EVIDENCE, path)
    assert where(folder) == (EVIDENCE, part)


def test_a_hash_is_named_where_nothing_can_be_recomputed(folder: Path) -> None:
    change(folder / REPORT, ("volatile", "generated_at"))
    assert where(folder) == (REPORT, "sha256")


@pytest.mark.parametrize("name", [MARKDOWN, PAGE])
def test_changed_words_are_found(folder: Path, name: str) -> None:
    """Also where the manifest was edited with them: both are written again from the records."""
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("Spectral", "Fine", 1))
    relist(folder, name)
    found = first(folder)
    assert (found.file, found.path) == (name, f"line {text[: text.index('Spectral')].count(chr(10)) + 1}")
    assert "Fine" in found.said
    assert "Spectral" in found.expected


@pytest.mark.parametrize("name", [MARKDOWN, PAGE])
def test_pages_of_other_code_are_bound_by_their_hash(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invarlock.reports.verify_pages.code_sha256", lambda: "0" * 64)
    (folder / name).write_text((folder / name).read_text().replace("Spectral", "Fine", 1))
    assert where(folder) == (name, "sha256")
    relist(folder, name)
    found = verify_evaluation(folder / REPORT)
    assert found.first is None
    assert any("by hash alone" in check.what for check in found.checks)


def test_a_forged_picture_is_bound_by_its_hash_alone_and_that_is_said(folder: Path) -> None:
    page = (folder / PAGE).read_text()
    (folder / PAGE).write_text(page.replace("<path ", '<path fill="red" ', 1))
    assert where(folder) == (PAGE, "sha256")
    relist(folder, PAGE)
    found = verify_evaluation(folder / REPORT)
    assert found.first is None
    assert any("pictures of the page" in limit for limit in found.limits)


def relist(folder: Path, *names: str) -> None:
    """Put the hashes of files as they are now into the manifest."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"] |= {name: sha256_file(folder / name) for name in names}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def unlist(folder: Path, *names: str) -> None:
    """Take files out of the manifest's list; without names, all."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"] = {key: value for key, value in manifest["files"].items() if names and key not in names}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def sentences(folder: Path) -> list[str]:
    return [each.sentence for each in verify_evaluation(folder / REPORT).disagreements]


def test_the_manifest_holds_every_file_of_the_plan(folder: Path, quantized: Evidence) -> None:
    listed = json.loads((folder / MANIFEST).read_bytes())["files"]
    assert set(listed) == set(file_names(quantized.plan))
    assert "configs/runtime/tiers.yaml" in listed


@pytest.mark.parametrize("name", [MARKDOWN, PAGE, REPORT, EVIDENCE, "configs/runtime/tiers.yaml"])
def test_an_entry_that_was_taken_out_of_the_manifest_is_named(folder: Path, name: str) -> None:
    unlist(folder, name)
    [told] = sentences(folder)
    assert told.startswith(f'{MANIFEST}: files["{name}"]: the manifest says nothing, from the plan')


def test_a_manifest_without_files_binds_nothing_and_fails(folder: Path, quantized: Evidence) -> None:
    change(folder / REPORT, ("volatile", "generated_at"))
    unlist(folder)
    found = sentences(folder)
    for name in file_names(quantized.plan):
        assert any(told.startswith(f'{MANIFEST}: files["{name}"]: ') for told in found)


def test_a_file_outside_the_folder_is_named_and_not_read(folder: Path) -> None:
    secret = folder.parent / "secret.txt"
    secret.write_text("secret")
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"]["../secret.txt"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest))
    [told] = sentences(folder)
    assert told.startswith(f'{MANIFEST}: files["../secret.txt"]: the manifest says "000')
    assert sha256_file(secret) not in told


def test_a_file_that_no_evaluation_writes_is_named(folder: Path) -> None:
    (folder / "configs/extra.json").write_text("{}")
    assert sentences(folder) == [
        "configs/extra.json: name: the folder has this file, an evaluation writes none of that name"
    ]
    relist(folder, "configs/extra.json")
    assert len(sentences(folder)) == 2


def test_a_config_that_was_edited_with_the_manifest_is_named(folder: Path) -> None:
    """Its text is in the evidence."""
    name = "configs/runtime/tiers.yaml"
    (folder / name).write_text((folder / name).read_text() + "# more\n")
    relist(folder, name)
    [told] = sentences(folder)
    assert told.startswith(f'{MANIFEST}: files["{name}"]')


def test_a_report_of_another_name_is_not_the_one_that_the_manifest_binds(folder: Path) -> None:
    copy = shutil.copy(folder / REPORT, folder / "copy.json")
    with pytest.raises(ConfigError, match="checked under its own name"):
        verify_evaluation(Path(copy))


def test_a_file_of_the_manifest_that_is_gone(folder: Path) -> None:
    (folder / MARKDOWN).unlink()
    found = first(folder)
    assert (found.file, found.said) == (MARKDOWN, "nothing")


def test_a_changed_manifest_is_named(folder: Path) -> None:
    change(folder / MANIFEST, ("models", "subject"))
    assert where(folder) == (MANIFEST, "models.subject")


def test_a_field_more_and_a_field_less(folder: Path) -> None:
    document = json.loads((folder / REPORT).read_bytes())
    document["spectral"]["extra"] = 1
    (folder / REPORT).write_text(json.dumps(document))
    assert first(folder).sentence == f"{REPORT}: spectral.extra: report says 1, recomputed nothing"
    del document["spectral"]["extra"], document["spectral"]["caps_applied"]
    (folder / REPORT).write_text(json.dumps(document))
    assert first(folder).sentence.startswith(
        f"{REPORT}: spectral.caps_applied: report says nothing, recomputed "
    )


def test_rounding_of_another_numpy_agrees(folder: Path) -> None:
    """A run whose numbers differ by rounding keeps its own hash; more than rounding is named."""
    run = json.loads((folder / SUBJECT_RUN).read_bytes())
    run["metrics"]["final"] *= 1 + 1e-13
    (folder / SUBJECT_RUN).write_bytes(canonical_json(run))
    report = json.loads((folder / REPORT).read_bytes())
    report["subject_ref"]["run_sha256"] = sha256_file(folder / SUBJECT_RUN)
    report["primary_metric"]["interval"]["upper"] *= 1 + 1e-12
    (folder / REPORT).write_text(json.dumps(report))
    filed = EvaluationReport.model_validate(report)
    runs = [
        EvaluationRun.model_validate_json((folder / name).read_bytes())
        for name in (BASELINE_RUN, SUBJECT_RUN)
    ]
    (folder / MARKDOWN).write_text(evaluation_markdown(filed))
    (folder / PAGE).write_text(evaluation_html(filed, *runs))
    relist(folder, SUBJECT_RUN, REPORT, MARKDOWN, PAGE)
    assert verify_evaluation(folder / REPORT).first is None


def test_policy_and_z_are_checked_by_the_report_alone(folder: Path) -> None:
    """Whoever also forges the evidence's policy meets the digest of resolved_policy itself."""
    change(folder / REPORT, ("resolved_policy", "spectral", "max_caps"), 50)
    change(folder / REPORT, ("spectral", "modules", 3, "sigma"), 1.5)
    failed = [check.what for check in verify_evaluation(folder / REPORT).checks if not check.agrees]
    assert any("policy digest" in what for what in failed)
    assert any("z-scores" in what for what in failed)


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _version(name: str) -> Callable[[Path], None]:
    return lambda folder: change(folder / name, ("schema_version",), "evaluation-report/2")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (_without(EVIDENCE), "no such file"),
        (_without(BASELINE_RUN), "no such file"),
        (_without(MANIFEST), "no such file"),
        (_version(REPORT), '"evaluation-report/2"; this invarlock reads evaluation-report/1'),
        (_version(SUBJECT_RUN), "this invarlock reads evaluation-run/1"),
        (lambda folder: (folder / REPORT).write_text('{"a": NaN}'), "NaN is no JSON"),
        (lambda folder: (folder / REPORT).write_text("[]"), "not a JSON object"),
        (lambda folder: (folder / REPORT).write_text('{"a": {"b": 1, "b": 2}}'), "the key b is there twice"),
        (lambda folder: change(folder / EVIDENCE, ("plan", "tier"), "lenient"), "plan.tier"),
    ],
)
def test_what_cannot_be_read_is_an_error(folder: Path, spoil: Callable[[Path], object], what: str) -> None:
    spoil(folder)
    with pytest.raises(ConfigError) as caught:
        verify_evaluation(folder / REPORT)
    assert what in caught.value.what
    assert caught.value.where is not None
    assert caught.value.exit_code == 2
