"""What `sam build` made: functions, each with its event. Read from the template; nothing is listed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".aws-sam" / "build"
STACK = "regrant"
FUNCTION = "AWS::Serverless::Function"
OFF = "EnablesHandover"
"""The condition of what the stack has only if its owner asks for it."""


class NotReady(Exception):
    """Something that has to be made first is not there. The text says what, and how it is made."""


class NoEngine(NotReady):
    """This machine has no container engine that can be used, and none can be started."""


@dataclass(frozen=True)
class Step:
    """A function, its package as sam built it, and the event in events/ that is named after its handler."""

    logical_id: str
    function: str
    handler: str
    package: Path
    event: Any

    @property
    def name(self) -> str:
        return _name(self.handler)


def built_template() -> dict[str, Any]:
    """template.yaml as `sam build` wrote it. Raises NotReady."""
    path = BUILT / "template.yaml"
    if not path.exists():
        raise NotReady(f"{path.relative_to(ROOT)} is not there: make build")
    template: dict[str, Any] = yaml.safe_load(path.read_text())
    return template


def resources() -> dict[str, dict[str, Any]]:
    """Those of the built template that a stack has whose owner asks for nothing more. Raises NotReady."""
    found: dict[str, dict[str, Any]] = built_template()["Resources"]
    return {name: resource for name, resource in found.items() if resource.get("Condition") != OFF}


def left_out() -> str:
    """Says how many functions are not among the steps; nothing if all are."""
    off = [each for each in built_template()["Resources"].values() if each.get("Condition") == OFF]
    functions = sum(each["Type"] == FUNCTION for each in off)
    return f"SKIPPED  {functions} functions of the handover, which is off ({OFF})" if functions else ""


def steps() -> list[Step]:
    """Every function of such a stack, in the template's order. Raises NotReady if one has no event."""
    functions = {
        logical_id: resource["Properties"]
        for logical_id, resource in resources().items()
        if resource["Type"] == FUNCTION
    }
    missing = [
        f"events/{_name(each['Handler'])}.json" for each in functions.values() if not _event(each).exists()
    ]
    if missing:
        raise NotReady(f"a function without an event: {', '.join(missing)}")
    return [
        Step(
            logical_id,
            _text(properties["FunctionName"]).replace("${AWS::StackName}", STACK),
            properties["Handler"],
            BUILT / logical_id,
            json.loads(_event(properties).read_text()),
        )
        for logical_id, properties in functions.items()
    ]


def _event(properties: Mapping[str, Any]) -> Path:
    return ROOT / "events" / f"{_name(properties['Handler'])}.json"


def _name(handler: str) -> str:
    """attach_policies, for handlers.attach_policies.handler."""
    return handler.split(".")[-2]


def _text(value: Any) -> str:
    return str(value["Fn::Sub"] if isinstance(value, Mapping) else value)
