"""The report on one screen, for the topic's mail and for a terminal. Plain text, no colour needed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from regrant.model.aws import name_of
from regrant.model.run import Report

_WIDTH = 118
# Lines of each part, so that the whole fits on one screen however much there is to say.
_HEIGHT = {"found": 18, "changed": 6, "receipt": 5}


def render(report: Report) -> str:
    """What was wrong, what was changed, the proof, how long each stage took, what to do next."""
    title = f"{report.outcome}  {report.service or '(no service)'}"
    lines = [_cut(title), f"incident {report.incident}, mode {report.mode}", ""]
    for label, texts in _sections(report):
        for index, text in enumerate(_at_most(_HEIGHT.get(label, len(texts)), texts)):
            lines.append(_cut(f"{label if index == 0 else '':9}{text}"))
    # Never cut, and broken at blanks only: it may hold commands to copy.
    wrapper = textwrap.TextWrapper(_WIDTH, initial_indent="next     ", subsequent_indent=" " * 9)
    wrapper.break_long_words = wrapper.break_on_hyphens = False
    return "\n".join([*lines, *wrapper.wrap(report.next)])


def _sections(report: Report) -> Iterator[tuple[str, list[str]]]:
    found = []
    for finding in report.findings:
        # One piece of evidence, long enough that the reason at the end of AWS's sentence is seen.
        evidence = [line for text in finding.evidence[:1] for line in _few_lines(text)]
        found += [*_few_lines(finding.text), *(f"  {line}" for line in evidence)]
    yield "found", found
    unknown = any(finding.code == "JOURNAL_UNREADABLE" for finding in report.findings)
    yield "changed", list(_changes(report)) or ["not known" if unknown else "nothing"]
    if report.health:
        yield "proof", list(_proof(report))
    if report.receipt:
        yield "receipt", list(_receipt(report))
    yield "took", [", ".join(f"{stage.stage} {_seconds(stage.seconds)}" for stage in report.timeline)]


def _changes(report: Report) -> Iterator[str]:
    for change in report.changes:
        if change.kind == "redeploy" and change.undone_at:
            continue  # only intended: somebody else's deployment came first
        what = {
            "attach": f"attached {name_of(change.value)} to {name_of(change.target)}",
            "redeploy": f"redeployed {change.target} as {change.value}",
            "restore": f"redeployed {change.target} in place of {change.value}",
            "register": f"registered {name_of(change.value)}, with {name_of(change.role or '')}",
            "withdraw": f"took {name_of(change.value)} off {name_of(change.target)}",
        }[change.kind]
        undone = {"attach": "detached again", "register": "deregistered again", "withdraw": "attached again"}
        state = (
            undone.get(change.kind, "undone")
            if change.undone_at
            else "done"
            if change.done_at
            else "intended"
        )
        yield f"{what} ({state})"


def _proof(report: Report) -> Iterator[str]:
    health = report.health
    assert health is not None
    needed = f"{health.needed} needed, {health.samples} taken"
    yield f"{health.verdict}: {health.streak} good samples in a row, {needed}"
    if health.proof:
        yield f"  {health.proof.strip()}"
    if health.last:
        last = health.last
        waiting = "" if last.backlog is None else f", {last.backlog} messages waiting"
        dead = "" if last.dead_letters is None else f", {last.dead_letters} in the dead-letter queue"
        yield f"  last sample: {last.tasks} tasks, {last.denials} denials{waiting}{dead}"


def _receipt(report: Report) -> Iterator[str]:
    receipt = report.receipt
    assert receipt is not None
    yield f"before {receipt.before}"
    apart = f", apart from {len(receipt.changed_by_others)} by others"
    equal = f"equal{apart if receipt.changed_by_others else ''}" if receipt.equal else "NOT EQUAL"
    yield f"after  {receipt.after}  {equal}"
    for line in receipt.grants_of_others:
        yield f"  still granted: {line}"
    for line in receipt.changed_by_others:
        yield f"  changed by others: {line}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _few_lines(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - 11, max_lines=5, placeholder=" …", break_on_hyphens=False)


def _at_most(height: int, texts: list[str]) -> list[str]:
    if len(texts) <= height:
        return texts
    return [*texts[: height - 1], f"… and {len(texts) - height + 1} more"]


def _cut(line: str) -> str:
    # What a log line holds is data: no line breaks, and nothing that a terminal would obey.
    line = "".join(character if character.isprintable() else " " for character in line)
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
