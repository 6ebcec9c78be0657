"""Artifacts on a real Prefect server, read back through its API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prefect import flow
from prefect.artifacts import Artifact

from tasks.artifacts import artifact_key, show_link, show_markdown, show_table


def test_artifacts_of_a_flow_are_kept_by_the_server(embedded_home: Path) -> None:
    @flow
    def shows() -> None:
        show_markdown("Null sweep: summary", "# Caps", "what was found")
        show_table("caps of balanced", [{"family": "ffn", "kappa": 3.849}], "caps")
        show_link("MLflow run", "http://127.0.0.1:5000/#/x", "the run", "all files")

    shows()
    markdown = Artifact.get("null-sweep-summary")
    table = Artifact.get("caps-of-balanced")
    link = Artifact.get("mlflow-run")
    assert markdown is not None
    assert table is not None
    assert link is not None
    assert (markdown.type, markdown.data) == ("markdown", "# Caps")
    assert json.loads(str(table.data)) == [{"family": "ffn", "kappa": 3.849}]
    assert link.data == "[the run](http://127.0.0.1:5000/#/x)"
    assert markdown.flow_run_id is not None


@pytest.mark.parametrize(
    ("words", "key"), [("Null sweep: balanced", "null-sweep-balanced"), ("κ of A_b", "of-a-b"), ("x", "x")]
)
def test_keys_are_lowercase_with_dashes(words: str, key: str) -> None:
    assert artifact_key(words) == key


def test_a_key_needs_a_letter() -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        artifact_key("κ: —")
