from __future__ import annotations

import pytest
import yaml

from tests.template.cloudformation import ROOT, Template, load, translate


@pytest.fixture(scope="session")
def source() -> Template:
    """template.yaml as it is written."""
    return load("template.yaml")


@pytest.fixture(scope="session")
def stack() -> Template:
    """template.yaml as CloudFormation deploys it."""
    return translate(load("template.yaml"))


@pytest.fixture(scope="session")
def tasks() -> Template:
    """The state machine's Task states by name."""
    machine = yaml.safe_load((ROOT / "statemachine/runbook.asl.yaml").read_text())
    return {name: state for name, state in machine["States"].items() if state["Type"] == "Task"}
