"""What EventBridge gives a target: the event, a part of it, a constant, or a template that was filled in.

Amazon EventBridge User Guide, "Amazon EventBridge input transformation". moto gives strings in templates no
quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> str:
    """What the target gets: the event, a part of it, a constant, or a template that was filled in."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        return json.dumps(at(event, target["InputPath"]))
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values = {name: at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.event": event,
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
    }
    return fill(transformer["InputTemplate"], values)


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A placeholder between quotes becomes text, one outside becomes JSON, so EventBridge quotes a string
    itself.
    """

    def text(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            return match.group(0)
        value = "" if values[name] is None else values[name]
        quoted = len(re.findall(r'(?<!\\)"', template[: match.start()])) % 2 == 1
        if not quoted:
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return re.sub(r"<([A-Za-z0-9._-]+)>", text, template)


def at(event: Any, path: str) -> Any:
    """The value at a plain JSON path, None if there is none."""
    for part in re.findall(r"[^.$\[\]'\"]+", path):
        try:
            event = event[int(part)] if isinstance(event, list) else event[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return event
