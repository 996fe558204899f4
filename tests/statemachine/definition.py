"""The state machine's definition, and questions about its graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from tests.template.cloudformation import ROOT

DEFINITION = ROOT / "statemachine" / "runbook.asl.yaml"
TEXT = DEFINITION.read_text()
MACHINE: dict[str, Any] = yaml.safe_load(TEXT)
STATES: dict[str, dict[str, Any]] = MACHINE["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
PATIENT = {"OpenIncident", "UndoRole", "UndoService", "ConfirmBaseline", "CloseIncident", "PageOperator"}
"""Tasks that are tried for eleven minutes: an undo must not give up, whether it opens, works or reports."""

Edge = tuple[str, str]


def rules(key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each Choice, Retry or Catch rule, with its state."""
    for name, state in STATES.items():
        for rule in state.get(key, []):
            yield name, rule


def targets(name: str) -> set[str]:
    state = STATES[name]
    named = {state.get("Next"), state.get("Default")}
    return {*named, *(rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, []))} - {None}


def sources(name: str) -> set[str]:
    return {each for each in STATES if name in targets(each)}


def edges() -> set[Edge]:
    """Every arrow of the graph, whichever field draws it."""
    return {(name, target) for name in STATES for target in targets(name)}


def reachable(start: str, without: str | None = None) -> set[str]:
    found, left = {without} if without else set[str](), {start}
    while left:
        name = left.pop()
        found.add(name)
        left |= targets(name) - found
    return found


def cycles() -> set[tuple[str, ...]]:
    """Every way round, once: starting at its first state in the order of the file."""
    order = {name: number for number, name in enumerate(STATES)}
    found = set()

    def walk(path: tuple[str, ...]) -> None:
        for target in targets(path[-1]):
            if target == path[0]:
                found.add(path)
            elif order[target] > order[path[0]] and target not in path:
                walk((*path, target))

    for name in STATES:
        walk((name,))
    return found


def catches_everything(name: str) -> str | None:
    """Where a failure of the state goes."""
    return next(
        (rule["Next"] for rule in STATES[name].get("Catch", []) if rule["ErrorEquals"] == ["States.ALL"]),
        None,
    )


def seconds_between_tries(rule: dict[str, Any]) -> float:
    """How long the waits of a Retry rule last at most, all together."""
    waits = (rule["IntervalSeconds"] * rule["BackoffRate"] ** n for n in range(rule["MaxAttempts"]))
    return float(sum(min(wait, rule["MaxDelaySeconds"]) for wait in waits))
