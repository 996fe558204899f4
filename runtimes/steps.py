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


def steps() -> list[Step]:
    """Every function of the built template, in its order. Raises NotReady if one has no event."""
    template = built_template()
    resources: dict[str, Any] = template["Resources"]
    functions = {
        logical_id: resource["Properties"]
        for logical_id, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
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
