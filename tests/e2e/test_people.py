"""No promise is broken in a story in which one was, and a report that were untrue would be noticed.

`make people` plays these and random ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from sandbox.people.facts import PERSON, REMADE, Attachment, Deed, Look, RunSeen, Told
from sandbox.people.forks import players, tell
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
def told_of(pool: ProcessPoolExecutor) -> Callable[[str], Told]:
    told: dict[str, Told] = {}

    def of(name: str) -> Told:
        if name not in told:
            told[name] = pool.submit(tell, TRUE[name]).result()
        return told[name]

    return of


def named(name: str) -> object:
    mended = pytest.mark.xfail(strict=False, reason="being mended")
    return pytest.param(name, marks=mended if name in BEING_MENDED else ())


@pytest.mark.parametrize("name", map(named, FOUND))
def test_no_promise_is_broken_in_a_found_story(pool: ProcessPoolExecutor, name: str) -> None:
    told = pool.submit(tell, FOUND[name].story).result()
    broken = [f"{each.promise}: {each.text}" for each in judge(told)]
    assert not broken, "\n".join((*broken, *told.log, *(run.page for run in told.runs)))


@pytest.mark.parametrize("name", TRUE)
def test_a_true_story_breaks_no_promise(told_of: Callable[[str], Told], name: str) -> None:
    assert judge(told_of(name)) == []


# Each gives another account of what was seen: a run or an account that is not as the promise has it.

Untrue = Callable[[Told], Told]


def retold(told: Told, number: int, **changes: Any) -> Told:
    runs = list(told.runs)
    runs[number] = replace(runs[number], **changes)
    return replace(told, runs=tuple(runs))


def reported(told: Told, number: int, **changes: Any) -> Told:
    return retold(told, number, report=told.runs[number].report | changes)


def deed_of(told: Told, call: str) -> Deed:
    return next(deed for deed in told.deeds if deed.call == call and deed.policy)


def with_deed(told: Told, deed: Deed) -> Told:
    deeds = list(told.deeds)
    deeds[deed.number] = deed
    return replace(told, deeds=tuple(deeds))


def closed_as(told: Told, number: int, change: Callable[[Look], Look]) -> Told:
    looks = told.runs[number].looks
    return retold(told, number, looks=looks | {"closed": change(looks["closed"])})


def grant_of(told: Told) -> Attachment:
    deed = deed_of(told, "iam:AttachRolePolicy")
    return Attachment(deed.role, deed.policy, deed.who, deed.number)


def no_line(told: Told) -> Told:
    return reported(told, 0, changes=[])


def line_is_cut(told: Told) -> Told:
    return retold(told, 0, page=told.runs[0].page.replace(grant_of(told).policy, "…"))


def was_a_persons(told: Told) -> Told:
    """The attachment that the undo took off was made by a person, after an absence that was seen."""
    attached = deed_of(told, "iam:AttachRolePolicy")
    theirs = replace(attached, who="another run"), replace(attached, who=PERSON, missed=REMADE)
    off = replace(deed_of(told, "iam:DetachRolePolicy"), number=attached.number + 3, owner=PERSON)
    between = replace(off, number=attached.number + 1, who=PERSON, owner="another run")
    deeds = [*told.deeds[: attached.number], theirs[0], between, theirs[1], off]
    deeds = [replace(deed, number=number) for number, deed in enumerate(deeds)]
    return closed_as(replace(told, deeds=tuple(deeds)), 1, lambda look: replace(look, deeds=len(deeds)))


def attached_against_a_person(told: Told) -> Told:
    """The undo attaches what a person has taken off."""
    off, end = deed_of(told, "iam:DetachRolePolicy"), len(told.deeds)
    theirs = replace(off, number=end, who=PERSON)
    ours = replace(off, number=end + 1, call="iam:AttachRolePolicy")
    changed = replace(told, deeds=(*told.deeds, theirs, ours))
    return closed_as(changed, 1, lambda look: replace(look, deeds=end + 2))


def still_there(told: Told) -> Told:
    return closed_as(told, 1, lambda look: replace(look, attached=(*look.attached, grant_of(told))))


def nobody_detached(told: Told) -> Told:
    return with_deed(told, replace(deed_of(told, "iam:DetachRolePolicy"), who="another run"))


def says_nothing_happened(told: Told) -> Told:
    return reported(told, 0, outcome="NOTHING_TO_FIX")


def says_cured(told: Told) -> Told:
    return reported(told, 0, outcome="CURED")


def hashes_differ(told: Told) -> Told:
    return reported(told, 1, receipt=told.runs[1].report["receipt"] | {"after": "0"})


def paged_for_nothing(told: Told) -> Told:
    return reported(told, 1, outcome="ROLLBACK_INCOMPLETE")


def odd_end(told: Told) -> Told:
    return retold(told, 1, error="States.Runtime")


def not_attached(told: Told) -> Told:
    there = grant_of(told)

    def without(look: Look) -> Look:
        return replace(look, attached=tuple(a for a in look.attached if str(a) != str(there)))

    return closed_as(told, 0, without)


def approved_another_text(told: Told) -> Told:
    seen: RunSeen = told.runs[0]
    asked = replace(seen.looks["AskApproval"], texts=dict.fromkeys(seen.looks["AskApproval"].texts, "other"))
    return retold(told, 0, looks=seen.looks | {"AskApproval": asked})


def on_another_role(told: Told) -> Told:
    service = told.runs[1].report["service"]

    def moved(look: Look) -> Look:
        return replace(
            look, services=look.services | {service: replace(look.services[service], role="other")}
        )

    return closed_as(told, 1, moved)


def denied(told: Told) -> Told:
    service = told.runs[1].report["service"]

    def silent(look: Look) -> Look:
        seen = replace(look.services[service], success=None, denial=3.0)
        return replace(look, services=look.services | {service: seen})

    return closed_as(told, 1, silent)


def no_record(told: Told) -> Told:
    first = told.rests[-1]
    return replace(told, rests=(replace(first, look=replace(first.look, holds=())),))


def not_audited(told: Told) -> Told:
    return replace(told, rests=(replace(told.rests[-1], audit=[]),))


def never_ends(told: Told) -> Told:
    last = told.rests[-1]
    holds = tuple(replace(hold, expires_at="2026-03-01T09:00:00.000Z") for hold in last.look.holds)
    return replace(told, rests=(replace(last, look=replace(last.look, holds=holds), days=True),))


def not_played(told: Told) -> Told:
    return replace(told, failed="not over")


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
    told_of: Callable[[str], Told], story: str, untrue: Untrue, promise: str
) -> None:
    assert promise in [broken.promise for broken in judge(untrue(told_of(story)))]


def test_what_nobody_can_know_is_not_demanded(pool: ProcessPoolExecutor) -> None:
    """Off and on again between two looks of the runbook: IAM does not say who attached."""
    story = (*CONTAINED, act("detach"), act("attach"), run("rollback"))
    assert "what_others_attached_stays" not in [
        broken.promise for broken in judge(pool.submit(tell, story).result())
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
    }
    assert {*PROMISES} - tried <= {"what_was_withdrawn_is_back", "a_revision_of_others_stays"} | {
        *("changes_by_others_are_named", "next_breaks_nothing"),
    }
