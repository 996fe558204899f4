from __future__ import annotations

import pytest
import yaml

from tests.template.cloudformation import ROOT, Template, load, translate, without_handovers


@pytest.fixture(scope="session")
def source() -> Template:
    """template.yaml as it is written, without what only a stack with handovers has."""
    return without_handovers(load("template.yaml"))


@pytest.fixture(scope="session")
def stack() -> Template:
    """template.yaml as CloudFormation deploys it, without handovers."""
    return without_handovers(translate(load("template.yaml")))


@pytest.fixture(scope="session")
def whole() -> Template:
    """template.yaml as CloudFormation deploys it with handovers."""
    return translate(load("template.yaml"))


@pytest.fixture(scope="session")
def tasks() -> Template:
    """The state machine's Task states by name."""
    machine = yaml.safe_load((ROOT / "statemachine/runbook.asl.yaml").read_text())
    return {name: state for name, state in machine["States"].items() if state["Type"] == "Task"}
