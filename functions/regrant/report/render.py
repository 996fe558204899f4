"""The report as plain text, for the topic's mail and for a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from regrant.model.aws import name_of
from regrant.model.journal import Change
from regrant.model.results import Receipt
from regrant.model.run import Report
from regrant.visible import visible

WIDTH = 80
# Lines of each part, so that the report stays short however much there is to say.
_HEIGHT = {"found": 24, "changed": 8, "proof": 13, "receipt": 12, "took": 4}
_INDENT = " " * 9
# Lines of one text, and characters of one word: what a log holds has any length.
_TALLEST, _LONGEST = 10, 512
# An input to copy stays in one line if it fits there.
_WORD = re.compile(r"\{[^{}]{,68}\}\S*|\S+")


def wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    """Lines of WIDTH, broken at spaces only. `first` begins the first line, `rest` the others.

    A word that does not fit after `rest` stands on a line of its own, further left if that helps. ARNs and
    commands can be copied whole.
    """
    return _wrapped(_words(text), first, rest)


def wrap_log(text: str, first: str = "", rest: str = "") -> list[str]:
    """As wrap, for a text of any length. It is shortened in the middle: AWS gives its reason at the end."""
    lines = wrap(text, first, rest)
    if len(lines) <= _TALLEST:
        return lines
    half = _TALLEST // 2
    return [*lines[:half], f"{rest}…", *lines[half + 1 - _TALLEST :]]


def render(report: Report) -> str:
    """What was wrong, what was changed, the proof, how long each stage took, what to do next."""
    lines = wrap(report.service or "(no service)", f"{report.outcome}  ")
    lines += wrap(report.incident, f"mode {report.mode}, incident ")
    lines += [*(wrap(report.undo_of, "undo of run ") if report.undo_of else ()), ""]
    for label, items in _sections(report):
        shown = list(_at_most(_HEIGHT[label], items))
        if shown and shown[0].startswith(_INDENT):
            shown[0] = f"{label:9}{shown[0][9:]}"
        elif shown:  # a long word needs the label's place
            shown.insert(0, label)
        lines += shown
    # Never shortened. A line that is indented is a command to copy, and stays whole.
    first, *more = report.next.split("\n")
    lines += wrap(first, "next     ", _INDENT)
    for line in more:
        lines += [visible(line).rstrip()] if line.startswith("  ") else wrap(line, _INDENT, _INDENT)
    return "\n".join(lines)


class _Item(NamedTuple):
    """Lines that stay together. Where there are too many, those of the lowest rank are shown."""

    lines: list[str]
    rank: int = 0


def _sections(report: Report) -> Iterator[tuple[str, list[_Item]]]:
    """Label and items of each part."""
    yield "found", list(_found(report))
    unknown = any(finding.code == "JOURNAL_UNREADABLE" for finding in report.findings)
    yield "changed", _items(list(_changes(report)) or ["not known" if unknown else "nothing"])
    if report.health and report.health.samples:
        yield "proof", _items(_proof(report))
    if report.receipt:
        yield "receipt", _items(_receipt(report))
    took = [f"{stage.stage} {_seconds(stage.seconds)}" for stage in report.timeline]
    # A number and its unit stay on one line.
    yield "took", [_Item(_wrapped([f"{text}," for text in took[:-1]] + took[-1:], _INDENT, _INDENT))]


def _found(report: Report) -> Iterator[_Item]:
    """Each finding by its code (docs/codes.md) with one piece of evidence.

    The first of each code comes before a second one of any: who writes to a log makes many of one code, and
    must not hide what was decided, or what the run did it for.
    """
    known = set[str]()
    for finding in report.findings:
        again = 2 if finding.code in known else 0
        known.add(finding.code)
        yield _Item(wrap_log(f"{finding.code}: {finding.text}", _INDENT, _INDENT), again)
        if finding.code == "MISSING_STATEMENT":
            continue  # the next step has it whole, to copy
        for text in finding.evidence[:1]:
            yield _Item(wrap_log(text, f"{_INDENT}  ", f"{_INDENT}  "), again or 1)


def _changes(report: Report) -> Iterator[str]:
    for change in report.changes:
        if change.kind == "redeploy" and change.undone_at and not change.done_at:
            continue  # only intended: somebody else's deployment came first
        what = {
            "attach": f"attached {name_of(change.value)} to {name_of(change.target)}",
            "redeploy": f"redeployed {change.target} as {change.value}",
            "restore": f"redeployed {change.target} in place of {change.value}",
            "register": f"registered {name_of(change.value)}, with {name_of(change.role or '')}",
            "withdraw": f"withdrew {name_of(change.value)} from {name_of(change.target)}",
            "reattach": f"attached {name_of(change.value)} to {name_of(change.target)} again",
        }[change.kind]
        yield f"{what} ({_became(change, report.receipt)})"


def _became(change: Change, receipt: Receipt | None) -> str:
    """What became of the change: of one that is undone, whether that was this undo's doing."""
    undone = {"attach": "detached again", "register": "deregistered again", "withdraw": "attached again"}
    if change.left_for:
        return f"left: {change.left_for}"
    if change.lost_at:
        return f"taken off by somebody, as seen at {change.lost_at}"
    if change.ended_by:
        return f"ended by run {change.ended_by}"
    if change.undone_at and change.answered_at and change.done_at is None:
        return "detached, if it was still there"
    if change.kind == "attach" and change.undone_at and (who := _who_attached(change.value, receipt)):
        return f"detached, and attached since by {who}"
    if change.kind == "withdraw" and change.undone_at and (who := _who_took_off(change.value, receipt)):
        return f"attached again, and taken off since by {who}"
    if change.undone_at:
        return undone.get(change.kind, "undone")
    return "done" if change.done_at else "intended"


def _who_attached(policy: str, receipt: Receipt | None) -> str | None:
    """Who has attached what the undo took off, by the receipt."""
    if receipt is None:
        return None
    granted = next((line for line in receipt.grants_of_others if line.startswith(f"{policy} for ")), None)
    return granted.rpartition(", ")[2] if granted else _somebody("+", policy, receipt)


def _who_took_off(policy: str, receipt: Receipt | None) -> str | None:
    """Who has taken off what the undo attached again, by the receipt."""
    if receipt is None:
        return None
    ended = next((line for line in receipt.ended_by_others if line.startswith(f"{policy}, by ")), None)
    return ended.rpartition(", by ")[2] if ended else _somebody("-", policy, receipt)


def _somebody(sign: str, policy: str, receipt: Receipt) -> str | None:
    fact = f"{sign} role.attached.{policy} = true"
    # A long line is cut in the receipt.
    return "somebody" if any(fact.startswith(line) for line in receipt.changed_by_others) else None


def _proof(report: Report) -> Iterator[str]:
    health = report.health
    assert health is not None
    good = f"{min(health.streak, health.needed)} of {health.needed} good samples in a row"
    yield f"{health.verdict}: {good}, {health.samples} taken"
    if health.proof:
        yield f"  {health.proof.strip()}"
    if health.last:
        last = health.last
        waiting = "" if last.backlog is None else f", {_count(last.backlog, 'message')} waiting"
        dead = "" if last.dead_letters is None else f", {last.dead_letters} in the dead-letter queue"
        expected = f" beside {last.expected} expected" if last.expected else ""
        denials = f"{_count(last.denials, 'denial')}{expected}"
        yield f"  last sample: {_count(last.tasks, 'task')}, {denials}{waiting}{dead}"


def _receipt(report: Report) -> Iterator[str]:
    receipt = report.receipt
    assert receipt is not None
    apart = f", apart from {_count(len(receipt.changed_by_others), 'change')} by others"
    yield f"equal{apart if receipt.changed_by_others else ''}" if receipt.equal else "NOT EQUAL"
    # What stays, and for whom, comes before the hashes.
    for line in receipt.grants_of_others:
        yield f"  still granted: {line}"
    for line in receipt.ended_by_others:
        yield f"  ended since: {line}"
    for line in receipt.changed_by_others:
        yield f"  changed by others: {line}"
    yield f"before {receipt.before}"
    yield f" after {receipt.after}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _items(texts: Iterable[str]) -> list[_Item]:
    """Each text with its own indent; what does not fit on its line continues two columns further right."""
    indented = ((text, f"{_INDENT}{' ' * (len(text) - len(text.lstrip()))}") for text in texts)
    return [_Item(wrap_log(text, indent, f"{indent}  ")) for text, indent in indented]


def _at_most(height: int, items: list[_Item]) -> Iterator[str]:
    """The lines of the items that fit, in their order; how many are left out is said."""
    shown = list[int]()
    for number in sorted(range(len(items)), key=lambda number: items[number].rank):
        lines, last = items[number].lines, len(shown) == len(items) - 1
        if shown and len(lines) > height - (not last):
            break
        shown.append(number)
        height -= len(lines)
    for number in sorted(shown):
        yield from items[number].lines
    if len(shown) < len(items):
        yield f"{_INDENT}… and {len(items) - len(shown)} more"


def _words(text: str) -> list[str]:
    half = _LONGEST // 2
    words = _WORD.findall(visible(text))
    return [word if len(word) <= _LONGEST else f"{word[:half]}…{word[1 - half :]}" for word in words]


def _wrapped(words: Iterable[str], first: str, rest: str) -> list[str]:
    lines = []
    line, blank = first, True
    for word in words:
        longer = f"{line}{'' if blank else ' '}{word}"
        if len(longer) <= WIDTH:
            line = longer
        else:
            if line.strip():
                lines.append(line.rstrip())
            line = f"{rest}{word}"
            if len(line) > WIDTH >= len(word):
                line = word.rjust(WIDTH)
        blank = False
    return [*lines, line]
