"""A result for a person: one screen of 80 columns, without colour, and last what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

COLUMNS = 80
LINES = 24


def page(result: Mapping[str, Any]) -> str:
    done = result["status"] == "DONE"
    lines = [f"{result['action']}: {'DONE' if done else result['error']}", ""]
    body = [*(_done(result) if done else _failed(result))]
    room = LINES - 8
    if len(body) > room:
        body = [*body[:room], f"… and {len(body) - room} lines more in the result's file (JSON=)"]
    lines += [*body, "", *_timed(result)]
    return "\n".join(lines)


def _done(result: Mapping[str, Any]) -> Iterator[str]:
    action = result["action"]
    if action == "prepare":
        yield f"{result['backend']} is written, and Terraform is initialized."
        if result["migrated"]:
            yield "The local state is in the bucket now. Its file here is empty, and can go."
        yield "Next: make handover-import"
    elif action in ("import", "undo"):
        yield from _wrapped(f"in the state now: {', '.join(result['imported']) or 'nothing new'}")
        yield f"in the state before: {result['already']}"
        if action == "import":
            yield "Next: change the roles in the HCL, then make handover-plan"
    elif action == "plan":
        yield from _plan(result)
    elif action == "apply":
        yield "Applied, and a plan after it is empty."
        yield "Next: see that ECS kept the new revision, then make handover-drift"
    elif action == "drift":
        yield "Nothing differs." if result["empty"] else "A plan would change:"
        yield from _changes(result["changes"])
        for change in result["changes"]:
            if note := change.get("note"):
                yield from _wrapped(f"{change['address']}: {note}")
        if result["noticed"]:
            yield "Changed since the state was written, but not against the HCL:"
            yield from _changes(result["noticed"])
    elif action == "heal":
        lock = result["lock"]
        yield f"Opened {lock['who']}'s lock {lock['id']}." if result["healed"] else "There is no lock."
        yield "Next: make handover-plan, to see how far the dead run came"


def _plan(result: Mapping[str, Any]) -> Iterator[str]:
    if result["empty"]:
        yield "The plan is empty: the services have their declared roles already."
        return
    yield from _changes(result["changes"])
    for warning in result["warnings"]:
        yield from _wrapped(f"warning: {warning}")
    yield "Nothing else changes. To approve exactly this plan:"
    yield "make handover-apply APPROVED=\\"
    yield str(result["sha256"])


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
    if lock := result.get("lock"):
        yield from (
            f"  {name:9} {lock[name]}" for name in ("id", "who", "created", "operation") if name in lock
        )
    if "errored_state" in result:
        yield f"  kept      {result['errored_state']}"
    yield ""
    yield from _wrapped(f"To do: {result['do']}")


def _timed(result: Mapping[str, Any]) -> Iterator[str]:
    parts = [f"{each['command']} {each['seconds']} s" for each in result["commands"]]
    if parts:
        yield from _wrapped(f"terraform: {', '.join(parts)}")
    if dropped := result["dropped"]:
        yield from _wrapped(f"not passed on to Terraform: {', '.join(dropped)}")


def _wrapped(line: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(line, COLUMNS, subsequent_indent=indent, break_on_hyphens=False) or [""]
