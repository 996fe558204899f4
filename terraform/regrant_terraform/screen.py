"""A result for a person: one screen of 80 columns, without colour, and last what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

COLUMNS = 80
LINES = 24


def page(result: Mapping[str, Any]) -> str:
    done = result["status"] == "DONE"
    body = [*(_done(result) if done else _failed(result))]
    foot = ["", *(_next(result) if done else _wrapped(f"To do: {result['do']}")), *_timed(result)]
    if len(body) > (room := LINES - len(foot) - 2):
        body = [*body[: room - 1], f"… and {len(body) - room + 1} lines more in the result's file (JSON=)"]
    return "\n".join([f"{result['action']}: {'DONE' if done else result['error']}", "", *body, *foot])


def _done(result: Mapping[str, Any]) -> Iterator[str]:
    action = result["action"]
    if action == "prepare":
        yield f"{result['backend']} is written, and Terraform is initialized."
        if result["migrated"]:
            yield "The local state is in the bucket now. Its file here is empty, and can go."
    elif action in ("import", "undo"):
        yield from _wrapped(f"in the state now: {', '.join(result['imported']) or 'nothing new'}")
        yield f"in the state before: {result['already']}"
    elif action == "plan":
        if result["empty"]:
            yield "The plan is empty: the services have their declared roles already."
        yield from _changes(result["changes"])
        for warning in result["warnings"]:
            yield from _wrapped(f"warning: {warning}")
    elif action == "apply":
        yield "Applied, and a plan after it is empty."
    elif action == "drift":
        yield "Nothing differs." if result["empty"] else "A plan would change:"
        yield from _changes(result["changes"])
        for change in result["changes"]:
            if note := change.get("note"):
                yield from _wrapped(f"{change['address']}: {note}")
        if result["noticed"]:
            yield "Changed since the state was written, but not against the HCL:"
            yield from _changes(result["noticed"])
    elif action == "propose":
        found = {name: len(result[name]) for name in ("imports", "roles", "services")}
        yield ", ".join(f"{number} {name}" for name, number in found.items())
        for address, definition in result["services"].items():
            yield from _wrapped(
                f"{address}: {definition}, role {result['roles'][definition].rpartition('/')[2]}"
            )
        for line in result["unmatched"]:
            yield from _wrapped(f"not matched: {line}")
    elif action == "heal":
        lock = result["lock"]
        yield f"Opened {lock['who']}'s lock {lock['id']}." if result["healed"] else "There is no lock."


NEXT: Mapping[str, str] = {
    "propose": "Next: put imports, roles and services of the result (JSON=) into the configuration",
    "prepare": "Next: make handover-import",
    "import": "Next: change the roles in the HCL, then make handover-plan",
    "apply": "Next: see that ECS kept the new revision, then make handover-drift",
    "undo": "Next: deregister the new revisions, when nothing runs them",
    "heal": "Next: make handover-plan, to see how far the run came that has ended",
}


def _next(result: Mapping[str, Any]) -> list[str]:
    if result["action"] == "plan" and not result["empty"]:
        return [
            "Nothing else changes. To approve exactly this plan:",
            "make handover-apply APPROVED=\\",
            str(result["sha256"]),
        ]
    return [NEXT[result["action"]]] if result["action"] in NEXT else []


def _changes(changes: list[Mapping[str, Any]]) -> Iterator[str]:
    for change in changes:
        yield from _wrapped(f"{'/'.join(change['actions'])} {change['address']}")
        if "task_role_arn" in change:
            for word, role in zip(("from", "to  "), change["task_role_arn"], strict=True):
                yield f"  {word} {str(role).rpartition(':')[2]}"
        elif change["attributes"]:
            yield from _wrapped(f"  {', '.join(change['attributes'])}", "  ")


def _failed(result: Mapping[str, Any]) -> Iterator[str]:
    for line in str(result["reason"]).splitlines():
        yield from _wrapped(line)
    if result["error"] == "LOCKED" and "who" in result.get("lock", {}):
        yield "If that was a run of yours that died, heal with the times of that run (UTC):"
        yield f"  make handover-heal WHO={result['lock']['who']} BEGAN=2026-01-31T10:00:00 \\"
        yield "    ENDED=2026-01-31T10:05:00"
    if lock := result.get("lock"):
        yield from (
            f"  {name:9} {lock[name]}" for name in ("id", "who", "created", "operation") if name in lock
        )
    if "errored_state" in result:
        yield f"  kept      {result['errored_state']}"


def _timed(result: Mapping[str, Any]) -> Iterator[str]:
    parts = [f"{each['command']} {each['seconds']} s" for each in result["commands"]]
    if parts:
        yield from _wrapped(f"terraform: {', '.join(parts)}")
    if dropped := result["dropped"]:
        yield from _wrapped(f"not passed on to Terraform: {', '.join(dropped)}")


def _wrapped(line: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(line, COLUMNS, subsequent_indent=indent, break_on_hyphens=False) or [""]
