"""An account of a story that is not true is noticed, whichever promise it breaks.

The stories are true ones; what was seen of them is changed here, a report or what was really there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from sandbox.people.facts import PERSON, REMADE, Attachment, Deed, Followed, Look, Seen
from sandbox.people.forks import play_forked, players
from sandbox.people.found import ALONE, ASKED, CONTAINED, FOUND, run
from sandbox.people.promises.judge import PLAYED, PROMISES, judge
from sandbox.people.story import Story

TRUE: dict[str, Story] = {
    "undone": (*CONTAINED, run("rollback")),
    "cured": (*CONTAINED, run("cure")),
    "asked": (ALONE, ASKED, run("contain")),
}

Untrue = Callable[[Seen], Seen]


@pytest.fixture(scope="module")
def seen_of() -> Iterator[Callable[[str], Seen]]:
    """What was seen of each, played once."""
    with players(1) as pool:
        playing = {name: pool.submit(play_forked, story) for name, story in TRUE.items()}
        yield lambda name: playing[name].result()


@pytest.mark.parametrize("name", TRUE)
def test_a_true_story_breaks_no_promise(seen_of: Callable[[str], Seen], name: str) -> None:
    assert judge(seen_of(name)) == []


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


def with_service(seen: Seen, **changed: str) -> Seen:
    """When the second run closed, its service was otherwise."""
    service = seen.runs[1].report["service"]

    def other(look: Look) -> Look:
        return replace(look, services=look.services | {service: replace(look.services[service], **changed)})

    return closed_as(seen, 1, other)


def on_another_role(seen: Seen) -> Seen:
    return with_service(seen, role="other")


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


def accused(seen: Seen) -> Seen:
    """The undo's page says that somebody took it off, where the undo did."""
    page = seen.runs[1].page
    assert "detached again" in page
    return as_if(seen, 1, page=page.replace("detached again", "taken off by somebody"))


def phantom(seen: Seen) -> Seen:
    receipt = seen.runs[1].report["receipt"]
    line = f"+ role.attached.arn:aws:iam::1:policy/{grant_of(seen).policy} = true"
    return reported(seen, 1, receipt=receipt | {"changed_by_others": [line]})


def not_put_back(seen: Seen) -> Seen:
    """The run that is undone had taken a grant off."""
    off, end = deed_of(seen, "iam:DetachRolePolicy"), len(seen.deeds)
    theirs = replace(off, number=end, who=seen.runs[0].name, owner="another run")
    changed = replace(seen, deeds=(*seen.deeds, theirs))
    return closed_as(changed, 1, lambda look: replace(look, deeds=end + 1))


def another_revision(seen: Seen) -> Seen:
    return with_service(seen, revision="x:9")


def replaces_a_persons(seen: Seen) -> Seen:
    """A person deploys a revision, and the undo another one over it."""
    end = len(seen.deeds)
    about = {"service": "s", "taskDefinition": "x:9"}
    theirs = Deed(end, "", PERSON, "", "ecs:UpdateService", about=about)
    ours = Deed(end + 1, "", seen.runs[1].name, "regrant-undo-service", "ecs:UpdateService", about=about)
    changed = replace(seen, deeds=(*seen.deeds, theirs, ours))
    return closed_as(changed, 1, lambda look: replace(look, deeds=end + 2))


def breaks_what_works(seen: Seen, at: str = "2026-03-03T00:00:00+00:00") -> Seen:
    works = seen.runs[0].looks["closed"].services
    denied = {name: replace(each, success=None, denial=3.0) for name, each in works.items()}
    text = seen.runs[0].report["next"]
    return replace(seen, followed=(Followed(seen.runs[0].name, text, (), (), works, denied, at),))


def tried_with_it(seen: Seen) -> Seen:
    """A cure's report as that of an expiry, in whose trial a person attached the grant."""
    off, end = deed_of(seen, "iam:DetachRolePolicy"), len(seen.deeds)
    theirs = replace(off, number=end, who=PERSON, call="iam:AttachRolePolicy")
    changed = replace(seen, deeds=(*seen.deeds, theirs))
    changed = reported(changed, 1, mode="expire", health={"samples": 3})
    return closed_as(changed, 1, lambda look: replace(look, deeds=end + 1, at="2026-03-02T12:00:00+00:00"))


def sent_each_hour(seen: Seen) -> Seen:
    hours = [f"2026-03-02T{hour:02}:00:00+00:00" for hour in range(10, 18)]
    return replace(seen, messages=tuple((at, "AUDIT 1 overdue") for at in hours))


def not_played(seen: Seen) -> Seen:
    return replace(seen, failed="not over")


UNTRUE: list[tuple[str, Untrue, str]] = [
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
    ("undone", accused, "whoever_is_named_is_so"),
    ("undone", phantom, "changes_by_others_are_named"),
    ("undone", not_put_back, "what_was_withdrawn_is_back"),
    ("undone", another_revision, "the_service_is_back"),
    ("undone", replaces_a_persons, "a_revision_of_others_stays"),
    ("undone", breaks_what_works, "next_breaks_nothing"),
    ("undone", sent_each_hour, "one_reason_is_one_notification"),
    ("cured", tried_with_it, "a_trial_is_one"),
    ("asked", approved_another_text, "what_was_approved_is_applied"),
    ("asked", no_record, "a_grant_has_a_record"),
    ("asked", not_audited, "the_audit_lists_what_is_there"),
    ("asked", never_ends, "a_grant_ends"),
    ("cured", on_another_role, "cured_runs_as_declared"),
    ("cured", denied, "cured_works"),
]


@pytest.mark.parametrize(
    ("story", "untrue", "promise"),
    UNTRUE,
    ids=lambda value: value.__name__ if callable(value) else value,
)
def test_an_untrue_account_is_noticed(
    seen_of: Callable[[str], Seen], story: str, untrue: Untrue, promise: str
) -> None:
    assert promise in [broken.promise for broken in judge(untrue(seen_of(story)))]


def test_whoever_follows_advice_does_not_answer_for_what_a_person_has_just_done(
    seen_of: Callable[[str], Seen],
) -> None:
    seen = seen_of("undone")
    theirs = Deed(len(seen.deeds), "2026-03-02T23:59:50+00:00", PERSON, "", "iam:DeletePolicy")
    followed = breaks_what_works(replace(seen, deeds=(*seen.deeds, theirs)))
    assert "next_breaks_nothing" not in [broken.promise for broken in judge(followed)]


def test_every_promise_has_a_story_or_an_untrue_account() -> None:
    tried = {found.promise for found in FOUND.values()} | {promise for _, _, promise in UNTRUE}
    assert {*PROMISES, PLAYED} == tried
