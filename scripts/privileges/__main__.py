"""`make privileges`: each role of the template may do what it does, needs what it may, and may nothing else.

Plays stories on the local account and writes down each call and the questions that IAM is asked about it.
Those are compared with AWS's own reference (reference.yaml). They, each permission of the template, and
thousands of hostile requests are put to @cloud-copilot/iam-simulate, with their conditions.
Exit code 0; 1 if the local account or the template differs from the reference, if anything is missing,
unneeded or too much without a written reason (reasons.py), or if a reason is not needed any more; 2 if it
could not be found out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sandbox.engine.recording import Asked, questions, read
from scripts.privileges import parts, reference, simulation
from scripts.privileges.judge import Finding, Judgement, Unanswered, bare, judge
from scripts.privileges.permissions import Role, deployed
from scripts.privileges.stories import STORIES, record

_HEADER = ("ROLE", "CALLS", "PERMISSIONS", "USED", "EXCEPTIONS", "HOSTILE", "ALLOWED", "MEANT")
_LEGEND = (
    "CALLS: distinct questions recorded. PERMISSIONS: actions x resources of the template, USED by a call, or"
    " EXCEPTIONS.\nHOSTILE: requests tried, ALLOWED of them, MEANT of those by the template. Reasons:"
    " scripts/privileges/reasons.py"
)

_PARTS = (
    "TRIED: requests of services and others. SERVICES: those let in, each for one thing of the stack."
    "\nROLES OF THE STACK: which may use it by their own policies. Reasons: scripts/privileges/parts.py"
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make privileges", description=__doc__)
    parser.add_argument("--calls", type=Path, help="calls that were recorded before (RECORD_CALLS), as well")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    if what := simulation.missing():
        print(f"make privileges needs {what}; install it, then make setup", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        more = read(options.calls) if options.calls else set()
        if options.calls and not more:
            raise ValueError(
                f"No call was recorded in {options.calls}; RECORD_CALLS names the file while stories play"
            )
        with tempfile.TemporaryDirectory(prefix="regrant-privileges-") as folder:
            calls = record(Path(folder) / "calls.jsonl")
        print(
            f"{len(STORIES)} stories: {len(calls)} calls; recorded before: {len(more - calls)} more",
            flush=True,
        )
        roles, calls = deployed(), calls | more
        aws = reference.load()
        differing = [*aws.differences(calls), *aws.untried(calls), *aws.misnamed(roles)]
        judgement = judge(roles, asked := questions(calls))
        judgement.differing = differing
        reached = parts.reached(parts.parts(), roles)
    except (OSError, ValueError, Unanswered, simulation.Unavailable) as error:
        print(error, file=sys.stderr)
        return 2
    print(table(roles, asked, judgement))
    print(_LEGEND)
    print(f"\n{parts.table(reached)}\n{_PARTS}")
    wrong = [*judgement.wrong, *reached.wrong]
    for line in wrong:
        print(line)
    result = figures(judgement) | reached.figures
    print(
        f"differing {result['differing']}, insufficient {result['insufficient']},"
        f" unneeded {result['unneeded']}, hostile allowed"
        f" {result['hostile_allowed']} of {result['hostile_tried']}, strangers let in"
        f" {result['strangers_let_in']} of {result['strangers_tried']}, in {time.monotonic() - began:.0f} s"
    )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if wrong else 0


def figures(judgement: Judgement) -> dict[str, Any]:
    """`differing` is from AWS's reference. The next three count what has no reason; `exceptions` are those
    that have one."""
    return {
        "differing": len(judgement.differing),
        "insufficient": len(bare(judgement.insufficient)),
        "unneeded": len(bare(judgement.unneeded)),
        "hostile_allowed": len(bare(judgement.hostile)),
        "hostile_tried": sum(judgement.tried.values()),
        "exceptions": {
            "unneeded": _excused(judgement.unneeded),
            "hostile_allowed": _excused(judgement.hostile),
            "idle": judgement.idle,
        },
    }


def _excused(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [{"role": f.role, "what": f.what, "reason": f.reason.why} for f in findings if f.reason]


def table(roles: Sequence[Role], calls: Iterable[Asked], judgement: Judgement) -> str:
    """One line for each role, and the totals."""
    asked = Counter(call.role for call in calls)
    idle, excused = _count(judgement.unneeded), _count(f for f in judgement.unneeded if f.reason)
    allowed, meant = _count(judgement.hostile), _count(f for f in judgement.hostile if f.reason)
    rows = []
    for role in roles:
        title, permissions = role.title, len(role.permissions)
        used = permissions - idle[title]
        counts = (asked[role.name], permissions, used, excused[title], judgement.tried.get(title, 0))
        rows.append((title, *counts, allowed[title], meant[title]))
    totals = ("all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))
    texts = [_HEADER, *(tuple(map(str, row)) for row in (*rows, totals))]
    widths = [max(len(text[column]) for text in texts) for column in range(len(_HEADER))]
    return "\n".join(
        "  ".join([text[0].ljust(widths[0]), *map(str.rjust, text[1:], widths[1:])]) for text in texts
    )


def _count(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(finding.role for finding in findings)


if __name__ == "__main__":
    sys.exit(main())
