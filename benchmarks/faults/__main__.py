"""Run the planted-fault suite and write docs/fault-table.md: ``python -m benchmarks.faults`` (some fifteen minutes)."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.anatomy import GPT2, LLAMA, Anatomy
from benchmarks.faults.harmless_drift import EDITS, recommended_caps, write_edit_config
from benchmarks.faults.llama import train_llama
from benchmarks.faults.page import HEAD, section
from benchmarks.faults.subjects import faults, harmless
from benchmarks.faults.suite import Row, broken_rules, evaluate_subjects
from benchmarks.plain_evaluation import PlainEvaluations
from invarlock.evaluation.request import EvaluationRequest
from invarlock.home import shipped
from invarlock.store.measurement_store import MeasurementStore

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fault-table.md"
PRESET = Path("configs/presets/causal_lm/python_docs_128.yaml")


def main() -> None:
    """Replace the page by what the suite finds now; exit 1 when it breaks its rules."""
    with tempfile.TemporaryDirectory(prefix="invarlock-faults-") as name:
        folder = Path(name)
        demo = shipped("models/pydocs-gpt2")
        llama = train_llama(demo, folder / "trained_llama")
        models = (
            ("pydocs-gpt2: LayerNorm, tied head", demo, GPT2),
            ("a small Llama: RMSNorm, no biases, a head of its own", llama, LLAMA),
        )
        sections, broken = [HEAD], []
        for title, baseline, model in models:
            text, sentences = run(title, baseline, model, folder / model.architecture)
            sections.append(text)
            broken += sentences
    if broken:
        raise SystemExit("\n".join(broken))
    PAGE.write_text("\n\n".join(sections) + "\n")


def run(title: str, baseline: Path, model: Anatomy, folder: Path) -> tuple[str, list[str]]:
    """One model's section of the page, and the rules that it breaks."""
    folder.mkdir()
    evaluations = PlainEvaluations(
        EvaluationRequest(baseline=str(baseline), subject=str(baseline), preset=PRESET),
        MeasurementStore(folder / "store"),
    )
    caps = recommended_caps(evaluations, edits=EDITS)
    config = write_edit_config(caps, folder / "drift_caps.yaml")
    subjects = (*faults(model), *harmless(model))
    rows = list(_told(evaluate_subjects(evaluations, subjects, config, folder), len(subjects)))
    return section(title, rows, caps), broken_rules(rows)


def _told(rows: Iterator[Row], count: int) -> Iterator[Row]:
    start = time.perf_counter()
    for number, row in enumerate(rows, start=1):
        what = f"{row.subject.name}, {row.subject.strength}"
        print(f"{time.perf_counter() - start:6.0f} s  {number}/{count}  {what}", file=sys.stderr)
        yield row


if __name__ == "__main__":
    main()
