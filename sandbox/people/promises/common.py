"""What the promises are judged with: the deeds of a run, what it reported of a policy, what is for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sandbox.people.facts import PERSON, SEED, Deed, Look, RunSeen, Seen, name_of

OTHERS = (PERSON, SEED)
KEEP = "regrant:keep"
ATTACHES, UNDOES = "regrant-attach-policies", "regrant-undo-role"
"""The functions that attach: for a run, and for its undo."""
WITHDRAWS = "regrant-withdraw-grants"


def seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def closed(run: RunSeen) -> Look | None:
    """The account at the end of a run that came to its end with a report."""
    return run.looks.get("closed") if run.outcome and run.status != "ABORTED" else None


def deeds_of(seen: Seen, run: RunSeen) -> list[Deed]:
    """What the run changed before its end."""
    end = run.looks["closed"].deeds if "closed" in run.looks else len(seen.deeds)
    return [deed for deed in seen.deeds[:end] if deed.who == run.name]


def before(seen: Seen, deed: Deed) -> list[Deed]:
    """What happened to the same attachment before."""
    return [d for d in seen.deeds[: deed.number] if d.is_of(deed.role, deed.policy)]


def since(seen: Seen, number: int, look: Look) -> list[Deed]:
    return list(seen.deeds[number : look.deeds])


def pair_of(change: dict[str, Any]) -> tuple[str, str]:
    """Names of role and policy of a change to an attachment."""
    return name_of(change["target"]), name_of(change["value"])


def changed(run: RunSeen) -> str:
    """The page's part about changes, in one line."""
    _, found, rest = run.page.partition("\nchanged ")
    lines: list[str] = []
    for line in rest.split("\n") if found else ():
        if lines and line[:1].isalpha() and not line.startswith("arn:"):
            break
        lines.append(line)
    return " ".join(" ".join(lines).split())


def is_kept(seen: Seen, role: str, policy: str, number: int, *, for_certain: bool = False) -> bool:
    """Whether it had been said before that deed that the policy is there for good: by mode keep, or a tag.

    A keep and its undo are no deeds, so where the undo began with that deed it may stand or not.
    """
    said = False
    for deed in seen.deeds[:number]:
        if deed.role == role and deed.call == "iam:TagRole":
            values = {tag["Key"]: tag["Value"] for tag in deed.about.get("Tags", ())}
            said = policy in values[KEEP].replace("/", " ").split() if KEEP in values else said
        elif deed.role == role and deed.call in ("iam:UntagRole", "iam:DeleteRole"):
            said = False
    return said or any(
        (role, policy) in grants and begin <= number and (end is None or number < end + (not for_certain))
        for begin, end, grants in _kept_by_runs(seen)
    )


def is_undo_of(run: RunSeen, subject: RunSeen) -> bool:
    return run.mode == "rollback" and run.subject == subject.name


def _kept_by_runs(seen: Seen) -> Iterator[tuple[int, int | None, set[tuple[str, str]]]]:
    """When runs of mode keep ended, when an undo of each began, and what it was about: of a shared grant
    another run may have been the first to attach it."""
    for run in seen.runs:
        look = closed(run)
        if run.mode == "keep" and run.outcome == "CURED" and look:
            changes = subject.report.get("changes", ()) if (subject := seen.run(run.subject)) else ()
            kept = {pair_of(change) for change in changes if change["kind"] == "attach"}
            undos = [other.began for other in seen.runs if is_undo_of(other, run)]
            yield look.deeds, min(undos, default=None), kept
