"""What is run, deployed and looked for follows from the template and from events/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from runtimes import steps as module
from runtimes.inventory import unlisted
from runtimes.steps import NotReady, steps


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout where one function was built."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "BUILT", tmp_path / "build")
    function = {"FunctionName": {"Fn::Sub": "${AWS::StackName}-sweep"}, "Handler": "handlers.sweep.handler"}
    resources = {
        "SweepFunction": {"Type": "AWS::Serverless::Function", "Properties": function},
        "Topic": {"Type": "AWS::SNS::Topic"},
    }
    (tmp_path / "build").mkdir()
    (tmp_path / "events").mkdir()
    (tmp_path / "build" / "template.yaml").write_text(yaml.safe_dump({"Resources": resources}))
    return tmp_path


def test_a_function_of_the_template_gets_the_event_named_after_its_handler(built: Path) -> None:
    (built / "events" / "sweep.json").write_text(json.dumps({"now": 7}))
    [step] = steps()
    assert (step.name, step.function, step.event) == ("sweep", "regrant-sweep", {"now": 7})
    assert step.package == built / "build" / "SweepFunction"


def test_a_part_that_is_off_is_left_out_and_said_to_be(built: Path) -> None:
    path = built / "build" / "template.yaml"
    (built / "events" / "sweep.json").write_text("{}")
    assert (len(steps()), module.left_out()) == (1, "")
    template = yaml.safe_load(path.read_text())
    template["Resources"]["SweepFunction"]["Condition"] = "EnablesHandover"
    path.write_text(yaml.safe_dump(template))
    assert steps() == []
    assert module.left_out().startswith("SKIPPED  1 functions of the handover")


def test_a_function_without_an_event_is_not_passed_over(built: Path) -> None:
    with pytest.raises(NotReady, match=r"events/sweep\.json"):
        steps()


def test_nothing_is_run_that_was_not_built(built: Path) -> None:
    (built / "build" / "template.yaml").unlink()
    with pytest.raises(NotReady, match="make build"):
        steps()


def test_a_kind_of_resource_that_is_not_looked_for_is_named() -> None:
    assert unlisted({"AWS::IAM::Role", "AWS::SQS::QueuePolicy", "AWS::KMS::Key"}) == {"AWS::KMS::Key"}
