"""What compose.yaml promises. There is no Docker where the tests run: what its commands start is tested elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from invarlock.cli.main import app
from invarlock.home import shipped

FOLDER = shipped("deployments")
SERVICES: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
# Set by the operator, and required: compose stops when it is empty.
SECRET = re.compile(r"\$\{(POSTGRES_PASSWORD|PREFECT_AUTH):\?[^}]*\}")


def test_the_services_are_those_of_the_design() -> None:
    assert set(SERVICES) == {"database", "prefect", "mlflow", "worker"}


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_listens_beyond_this_machine(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert "network_mode" not in SERVICES[name]


def test_every_service_is_checked_and_waits_until_what_it_needs_is_healthy() -> None:
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert needed in SERVICES
    assert set(SERVICES["worker"]["depends_on"]) == {"prefect", "mlflow"}
    assert set(SERVICES["prefect"]["depends_on"]) == set(SERVICES["mlflow"]["depends_on"]) == {"database"}


def test_a_secret_comes_from_the_operator_or_not_at_all() -> None:
    secrets = []
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            # An address with a user has a password; so has a variable that is named so.
            if re.search(r"PASSWORD|AUTH|SECRET|TOKEN", variable) or "@" in str(value):
                assert SECRET.search(str(value)), variable
                secrets.append(variable)
        assert not SECRET.search(str(service.get("command", ""))), "anybody on the machine sees command lines"
    assert len(secrets) == 5
    example = (FOLDER / "compose.env.example").read_text()
    filled = [line for line in example.splitlines() if not line.startswith("#") and not line.endswith("=")]
    assert filled == []


def test_volumes_and_files_exist() -> None:
    declared = set(yaml.safe_load((FOLDER / "compose.yaml").read_text())["volumes"])
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert {name for name in used if not name.startswith(".")} == declared
    for path in used - declared - {"../reports"}:
        assert (FOLDER / path).exists()


def test_the_worker_is_a_command_of_the_product() -> None:
    command = SERVICES["worker"]["command"]
    assert command[:2] == ["invarlock", "worker"]
    assert "worker" in {registered.name for registered in app.registered_commands}
    port = command[command.index("--health-port") + 1]
    assert f"127.0.0.1:{port}/health" in SERVICES["worker"]["healthcheck"]["test"][-1]


def test_the_image_copies_what_is_there_and_nothing_secret() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    copied = [part for line in lines if line.startswith("COPY") for part in line.split()[1:-1]]
    top = FOLDER.parent
    assert all((top / path).exists() for path in copied)
    sent = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == set(copied)
    assert sent.index("deployments/compose.env") > sent.index(
        "!deployments"
    )  # the last pattern that fits decides
    assert "deployments/compose.env" in Path(top / ".gitignore").read_text().splitlines()
