"""No promise is broken in a story in which one was, and a report that were untrue would be noticed.

`make people` plays these and random ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from sandbox.people.facts import PERSON, REMADE, Attachment, Deed, Look, Seen
from sandbox.people.forks import play_forked, players
from sandbox.people.found import ALONE, ASKED, CONTAINED, FOUND, act, run
from sandbox.people.promises.judge import PLAYED, PROMISES, judge
from sandbox.people.story import Story

BEING_MENDED: tuple[str, ...] = tuple(FOUND)

TRUE: dict[str, Story] = {
    "undone": (*CONTAINED, run("rollback")),
    "cured": (*CONTAINED, run("cure")),
    "asked": (ALONE, ASKED, run("contain")),
}
"""Stories without an untrue word, whose reports are made untrue here."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with players(1) as one:
        yield one


@pytest.fixture(scope="module")
def seen_of(pool: ProcessPoolExecutor) -> Callable[[str], Seen]:
    seen: dict[str, Seen] = {}

    def of(name: str) -> Seen:
        if name not in seen:
            seen[name] = pool.submit(play_forked, TRUE[name]).result()
        return seen[name]

    return of


def named(name: str) -> object:
    mended = pytest.mark.xfail(strict=False, reason="being mended")
    return pytest.param(name, marks=mended if name in BEING_MENDED else ())


@pytest.mark.parametrize("name", map(named, FOUND))
def test_no_promise_is_broken_in_a_found_story(pool: ProcessPoolExecutor, name: str) -> None:
    seen = pool.submit(play_forked, FOUND[name].story).result()
    broken = [f"{each.promise}: {each.text}" for each in judge(seen)]
    assert not broken, "\n".join((*broken, *seen.log, *(run.page for run in seen.runs)))


@pytest.mark.parametrize("name", TRUE)
def test_a_true_story_breaks_no_promise(seen_of: Callable[[str], Seen], name: str) -> None:
    assert judge(seen_of(name)) == []


# Each gives another account of what was seen: a run or an account that is not as the promise has it.

Untrue = Callable[[Seen], Seen]


def as_if(seen: Seen, number: int, **changes: Any) -> Seen:
    runs = list(seen.runs)
    runs[number] = replace(runs[number], **changes)
    return replace(seen, runs=tuple(runs))


def reported(seen: Seen, number: int, **changes: Any) -> Seen:
    return as_if(seen, number, report=seen.runs[number].report | changes)


def deed_of(seen: Seen, call: str) -> Deed:
    return next(deed for deed in seen.deeds if deed.call == call and deed.policy)


def with_deed(seen: Seen, deed: Deed) -> Seen:
    deeds = list(seen.deeds)
    deeds[deed.number] = deed
    return replace(seen, deeds=tuple(deeds))


def closed_as(seen: Seen, number: int, change: Callable[[Look], Look]) -> Seen:
    looks = seen.runs[number].looks
    return as_if(seen, number, looks=looks | {"closed": change(looks["closed"])})


def grant_of(seen: Seen) -> Attachment:
    deed = deed_of(seen, "iam:AttachRolePolicy")
    return Attachment(deed.role, deed.policy, deed.who, deed.number)


def no_line(seen: Seen) -> Seen:
    return reported(seen, 0, changes=[])


def line_is_cut(seen: Seen) -> Seen:
    return as_if(seen, 0, page=seen.runs[0].page.replace(grant_of(seen).policy, "…"))


def was_a_persons(seen: Seen) -> Seen:
    """The attachment that the undo took off was made by a person, after an absence that was seen."""
    attached = deed_of(seen, "iam:AttachRolePolicy")
    theirs = replace(attached, who="another run"), replace(attached, who=PERSON, missed=REMADE)
    off = replace(deed_of(seen, "iam:DetachRolePolicy"), number=attached.number + 3, owner=PERSON)
    between = replace(off, number=attached.number + 1, who=PERSON, owner="another run")
    deeds = [*seen.deeds[: attached.number], theirs[0], between, theirs[1], off]
    deeds = [replace(deed, number=number) for number, deed in enumerate(deeds)]
    return closed_as(replace(seen, deeds=tuple(deeds)), 1, lambda look: replace(look, deeds=len(deeds)))


def attached_against_a_person(seen: Seen) -> Seen:
    """The undo attaches what a person has taken off."""
    off, end = deed_of(seen, "iam:DetachRolePolicy"), len(seen.deeds)
    theirs = replace(off, number=end, who=PERSON)
    ours = replace(off, number=end + 1, call="iam:AttachRolePolicy")
    changed = replace(seen, deeds=(*seen.deeds, theirs, ours))
    return closed_as(changed, 1, lambda look: replace(look, deeds=end + 2))


def still_there(seen: Seen) -> Seen:
    return closed_as(seen, 1, lambda look: replace(look, attached=(*look.attached, grant_of(seen))))


def nobody_detached(seen: Seen) -> Seen:
    return with_deed(seen, replace(deed_of(seen, "iam:DetachRolePolicy"), who="another run"))


def says_nothing_happened(seen: Seen) -> Seen:
    return reported(seen, 0, outcome="NOTHING_TO_FIX")


def says_cured(seen: Seen) -> Seen:
    return reported(seen, 0, outcome="CURED")


def hashes_differ(seen: Seen) -> Seen:
    return reported(seen, 1, receipt=seen.runs[1].report["receipt"] | {"after": "0"})


def paged_for_nothing(seen: Seen) -> Seen:
    return reported(seen, 1, outcome="ROLLBACK_INCOMPLETE")


def odd_end(seen: Seen) -> Seen:
    return as_if(seen, 1, error="States.Runtime")


def not_attached(seen: Seen) -> Seen:
    there = grant_of(seen)

    def without(look: Look) -> Look:
        return replace(look, attached=tuple(a for a in look.attached if str(a) != str(there)))

    return closed_as(seen, 0, without)


def approved_another_text(seen: Seen) -> Seen:
    looks = seen.runs[0].looks
    texts = dict.fromkeys(looks["AskApproval"].texts, "other")
    return as_if(seen, 0, looks=looks | {"AskApproval": replace(looks["AskApproval"], texts=texts)})


def on_another_role(seen: Seen) -> Seen:
    service = seen.runs[1].report["service"]

    def moved(look: Look) -> Look:
        return replace(
            look, services=look.services | {service: replace(look.services[service], role="other")}
        )

    return closed_as(seen, 1, moved)


def denied(seen: Seen) -> Seen:
    service = seen.runs[1].report["service"]

    def silent(look: Look) -> Look:
        seen = replace(look.services[service], success=None, denial=3.0)
        return replace(look, services=look.services | {service: seen})

    return closed_as(seen, 1, silent)


def no_record(seen: Seen) -> Seen:
    first = seen.rests[-1]
    return replace(seen, rests=(replace(first, look=replace(first.look, holds=())),))


def not_audited(seen: Seen) -> Seen:
    return replace(seen, rests=(replace(seen.rests[-1], audit=[]),))


def never_ends(seen: Seen) -> Seen:
    last = seen.rests[-1]
    holds = tuple(replace(hold, expires_at="2026-03-01T09:00:00.000Z") for hold in last.look.holds)
    return replace(seen, rests=(replace(last, look=replace(last.look, holds=holds), days=True),))


def not_played(seen: Seen) -> Seen:
    return replace(seen, failed="not over")


@pytest.mark.parametrize(
    ("story", "untrue", "promise"),
    [
        ("undone", no_line, "every_change_has_its_line"),
        ("undone", line_is_cut, "every_change_has_its_line"),
        ("undone", was_a_persons, "what_others_attached_stays"),
        ("undone", attached_against_a_person, "what_others_detached_stays_off"),
        ("undone", still_there, "a_failed_fix_comes_off"),
        ("undone", nobody_detached, "again_is_true"),
        ("undone", says_nothing_happened, "nothing_was_changed"),
        ("undone", says_cured, "cured_leaves_none_unnamed"),
        ("undone", hashes_differ, "a_receipt_is_equal"),
        ("undone", paged_for_nothing, "a_page_has_a_reason"),
        ("undone", odd_end, "a_run_ends_as_documented"),
        ("undone", not_attached, "contained_is_so"),
        ("undone", not_played, PLAYED),
        ("asked", approved_another_text, "what_was_approved_is_applied"),
        ("asked", no_record, "a_grant_has_a_record"),
        ("asked", not_audited, "the_audit_lists_what_is_there"),
        ("asked", never_ends, "a_grant_ends"),
        ("cured", on_another_role, "cured_runs_as_declared"),
        ("cured", denied, "cured_works"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_an_untrue_account_is_noticed(
    seen_of: Callable[[str], Seen], story: str, untrue: Untrue, promise: str
) -> None:
    assert promise in [broken.promise for broken in judge(untrue(seen_of(story)))]


def test_what_nobody_can_know_is_not_demanded(pool: ProcessPoolExecutor) -> None:
    """Off and on again between two looks of the runbook: IAM does not say who attached."""
    story = (*CONTAINED, act("detach"), act("attach"), run("rollback"))
    assert "what_others_attached_stays" not in [
        broken.promise for broken in judge(pool.submit(play_forked, story).result())
    ]


def test_every_promise_has_a_story_or_an_untrue_account() -> None:
    tried = {found.promise for found in FOUND.values()} | {
        *(
            "every_change_has_its_line",
            "nothing_was_changed",
            "a_receipt_is_equal",
            "a_run_ends_as_documented",
        ),
        *("contained_is_so", "a_grant_has_a_record", "the_audit_lists_what_is_there", "cured_works"),
        "one_reason_is_one_notification",
    }
    assert {*PROMISES} - tried <= {"what_was_withdrawn_is_back", "a_revision_of_others_stays"} | {
        *("changes_by_others_are_named", "next_breaks_nothing"),
    }
