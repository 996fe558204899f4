"""The graphs in docs/runbook.md and docs/handover-machine.md, made from the state machines.

    python scripts/generate/graph.py            prints them
    python scripts/generate/graph.py --check    fails if a page shows another one
    python scripts/generate/graph.py --write    puts them into the pages

A Mermaid flowchart, which GitHub draws. Shapes, not colours, distinguish the states: a Task is a box, a
Choice a diamond, a Wait a slanted box, a good end is round, a failed end is a hexagon. Thick arrows are the
happy path. States that hand their errors to the same state stand in one frame, and one dotted arrow leaves
it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "statemachine" / "runbook.asl.yaml"
PAGE = ROOT / "docs" / "runbook.md"
HANDOVER = ROOT / "statemachine" / "handover.asl.yaml"
HANDOVER_PAGE = ROOT / "docs" / "handover-machine.md"
PAGES = {PAGE: DEFINITION, HANDOVER_PAGE: HANDOVER}
BEGIN, END = "<!-- graph -->", "<!-- /graph -->"
WRITE = ".venv/bin/python scripts/generate/graph.py --write"

States: TypeAlias = Mapping[str, Mapping[str, Any]]

_SIGNS = {"GreaterThanEquals": "≥", "GreaterThan": ">", "LessThanEquals": "≤", "LessThan": "<"}
_ANY = "States.ALL"
# What a frame is called, by the state that takes its errors.
_FRAMES = {
    "CloseIncident": "Look, change nothing",
    "UndoRole": "Change, and prove that it helped",
    "PageOperator": "Undo",
    "CloseHandover": "Open, and leave nothing behind",
    "RemoveState": "Make the state and ask, deploy nothing",
    "ReadBuild": "Terraform, in a build",
    "RestoreServices": "Prove that the services have moved",
    "PageHandover": "What may not give up",
}
# The branches that a containment, and a handover, takes when all goes well, in order; at any other Choice it
# is the default.
_GOOD = {
    "OpenIncident": ("DIAGNOSE", "CHANGE", "ATTACH", "otherwise", "CLOSE"),
    "OpenHandover": ("CREATE", "PLAN", "ASK", "approved", "CHECK", "CURE", "DRIFT", "CLOSE"),
}


def mermaid(definition: Mapping[str, Any]) -> str:
    """The definition as a Mermaid flowchart."""
    states: States = definition["States"]
    frames = _frames(states)
    lines = ["flowchart TD", f"  start((start)) --> {definition['StartAt']}"]
    for number, (handler, members) in enumerate(frames.items(), start=1):
        lines.append(f'  subgraph frame{number}["{_FRAMES.get(handler, handler)}"]')
        lines += [f"    {_node(name, states[name])}" for name in members]
        lines.append("  end")
    framed = {name: handler for handler, members in frames.items() for name in members}
    lines += [f"  {_node(name, state)}" for name, state in states.items() if name not in framed]
    happy = set(_happy_path(definition["StartAt"], states))
    lines += [f"  {edge}" for name, state in states.items() for edge in _arrows(name, state, happy)]
    lines += [f"  frame{n} -. any error .-> {handler}" for n, handler in enumerate(frames, start=1)]
    for name, state in states.items():
        for catch in state.get("Catch", []):
            named = ", ".join(catch["ErrorEquals"])
            if named != _ANY and framed.get(name) != catch["Next"]:
                lines.append(f"  {name} -. {named} .-> {catch['Next']}")
            elif name not in framed:
                lines.append(f"  {name} -. any error .-> {catch['Next']}")
    return "\n".join(lines)


def block(definition: Mapping[str, Any]) -> str:
    """What stands between the page's markers."""
    return f"{BEGIN}\n```mermaid\n{mermaid(definition)}\n```\n{END}"


def replace_block(text: str, new: str) -> str:
    """The text with its block replaced. Raises ValueError if it has not exactly one."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"there must be one {BEGIN} and one {END} after it")
    before, rest = text.split(BEGIN)
    return before + new + rest.split(END)[1]


def _frames(states: States) -> dict[str, list[str]]:
    """States by the state that takes their errors; a Choice or Wait goes with the Task before it."""
    frames: dict[str, list[str]] = {}
    current: str | None = None
    for name, state in states.items():
        if state["Type"] == "Task":
            caught = [catch["Next"] for catch in state.get("Catch", []) if catch["ErrorEquals"] == [_ANY]]
            current = caught[0] if caught else None
        elif state["Type"] in ("Succeed", "Fail"):
            current = None
        if current:
            frames.setdefault(current, []).append(name)
    # A frame is worth it for several Tasks.
    return {h: members for h, members in frames.items() if sum(_is_task(states[m]) for m in members) > 1}


def _is_task(state: Mapping[str, Any]) -> bool:
    return bool(state["Type"] == "Task")


def _node(name: str, state: Mapping[str, Any]) -> str:
    kind = state["Type"]
    if kind == "Choice":
        return f'{name}{{"{name}"}}'
    if kind == "Wait":
        seconds = state.get("Seconds") or state["SecondsPath"].removeprefix("$.")
        return f'{name}[/"{name}<br/>{seconds} s"/]'
    if kind == "Succeed":
        return f'{name}(["{name}<br/>SUCCEEDED"])'
    if kind == "Fail":
        return f'{name}{{{{"{name}<br/>FAILED"}}}}'
    return f'{name}["{name}"]'


def _arrows(name: str, state: Mapping[str, Any], happy: set[tuple[str, str]]) -> Iterator[str]:
    for target, labels in _branches(state).items():
        arrow = "==>" if (name, target) in happy else "-->"
        text = f'|"{", ".join(labels)}"|' if labels else ""
        yield f"{name} {arrow}{text} {target}"


def _branches(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Where a state goes without an error, and when; choices that lead to the same place are one branch."""
    branches: dict[str, list[str]] = {state["Next"]: []} if "Next" in state else {}
    for choice in state.get("Choices", []):
        branches.setdefault(choice["Next"], []).append(_label(choice))
    if "Default" in state:
        branches.setdefault(state["Default"], []).append("otherwise")
    return branches


def _happy_path(name: str, states: States) -> Iterator[tuple[str, str]]:
    left = list(_GOOD.get(name, ()))
    walked: set[tuple[str, str]] = set()
    while branches := _branches(states[name]):
        good = [target for target, words in branches.items() if left and left[0] in words]
        # The last branch is a Choice's default, or the only way.
        following = good[0] if good else list(branches)[-1]
        if (name, following) in walked and not left:
            return
        walked.add((name, following))
        left = left[1:] if good else left
        yield name, following
        name = following


def _label(choice: Mapping[str, Any]) -> str:
    if "And" in choice:
        # A guard that the variable is there goes without saying where its value is asked for as well.
        asked = [each["Variable"] for each in choice["And"] if "IsPresent" not in each]
        return " and ".join(_label(each) for each in choice["And"] if not _is_guard(each, asked))
    if "Or" in choice:
        return " or ".join(map(_label, choice["Or"]))
    variable = choice["Variable"].removeprefix("$.").removesuffix(".sha256").split(".")[-1]
    for operator, value in choice.items():
        if operator == "StringEquals":
            return str(value)
        if operator in ("BooleanEquals", "IsPresent"):
            return variable if value else f"no {variable}"
        if operator.startswith("Numeric"):
            return f"{variable} {_SIGNS[operator.removeprefix('Numeric')]} {value}"
    raise ValueError(f"no label for {dict(choice)}")


def _is_guard(choice: Mapping[str, Any], asked: list[str]) -> bool:
    return choice.get("IsPresent") is True and choice["Variable"] in asked


def main() -> int:
    parser = argparse.ArgumentParser(description="The graphs in docs/, made from the state machines.")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="fail if a page shows another graph")
    action.add_argument("--write", action="store_true", help="put the graphs into the pages")
    wanted = parser.parse_args()
    status = 0
    for page, source in PAGES.items():
        definition = yaml.safe_load(source.read_text(encoding="utf-8"))
        if not (wanted.check or wanted.write):
            print(mermaid(definition))
            continue
        text = page.read_text(encoding="utf-8")
        new = replace_block(text, block(definition))
        if wanted.write:
            page.write_text(new, encoding="utf-8")
        elif new != text:
            shown, drawn = page.relative_to(ROOT), source.relative_to(ROOT)
            print(f"{shown} does not show {drawn}. Run: {WRITE}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
