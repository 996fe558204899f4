"""What an undo keeps events from: attaching the same again, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from regrant.model.journal import Change, LastOutcome
from regrant.model.run import Diagnosis
from regrant.model.undone import undone_attachments
from tests.unit.cure import enrol
from tests.unit.fakes import (
    DENIAL,
    INCIDENT_OF_WORKER,
    OLD_ROLE,
    RECEIVE,
    SEND,
    WORKER,
    WORKER_ROLE,
    World,
    at,
)
from tests.unit.opening.test_open import ALARM, CONTAIN
from tests.unit.run import Run, opened

HOUR = 3600
SENDING = DENIAL.replace("receivemessage", "sendmessage")


def undone(*policies: str, role: str = OLD_ROLE, hours_ago: float = 1) -> World:
    """The worker is denied again after an undo of these policies."""
    world = World()
    enrol(world, WORKER)
    when = at(-hours_ago * HOUR)
    known = {f"{role} {policy}": when for policy in policies}
    world.journal.last[str(WORKER)] = LastOutcome("run-0", "ROLLED_BACK", when, undone=known)
    world.logs.write(-9, DENIAL, "old-1")
    return world


def diagnosed(world: World, given: dict[str, Any]) -> Diagnosis:
    incident = opened(world, given)
    assert incident.refusal is None
    return Run(
        world, replace(INCIDENT_OF_WORKER, undone=incident.undone, undone_by=incident.undone_by)
    ).diagnose(0)


def test_an_event_does_not_attach_again_what_was_undone() -> None:
    diagnosis = diagnosed(undone(RECEIVE), ALARM)
    assert diagnosis.refusal is not None
    assert (diagnosis.next, diagnosis.refusal.code, diagnosis.plan) == ("REFUSE", "RECENTLY_UNDONE", None)
    assert "MISSING_ATTACHMENT" in [finding.code for finding in diagnosis.findings]


def test_the_refusal_names_the_run_whose_report_says_why() -> None:
    refusal = diagnosed(undone(RECEIVE), ALARM).refusal
    assert refusal is not None and refusal.next.startswith(
        "Read the report of run run-0, the service's last undo,"
    )


def test_a_person_may_immediately() -> None:
    assert diagnosed(undone(RECEIVE), CONTAIN).next == "CHANGE"


@pytest.mark.parametrize(
    "world",
    [undone(SEND), undone(RECEIVE, role=WORKER_ROLE), undone(RECEIVE, hours_ago=24.1), undone()],
    ids=["another policy", "another role", "a day later", "nothing was made"],
)
def test_another_cause_gets_its_run(world: World) -> None:
    assert diagnosed(world, ALARM).next == "CHANGE"


def test_what_was_undone_is_attached_with_what_was_not() -> None:
    """One alone may have been too little."""
    world = undone(RECEIVE)
    entry = replace(INCIDENT_OF_WORKER.entry, policies=(RECEIVE, SEND)) if INCIDENT_OF_WORKER.entry else None
    world.logs.write(-8, SENDING, "old-1")
    known = opened(world, ALARM)
    incident = replace(INCIDENT_OF_WORKER, entry=entry, undone=known.undone, undone_by=known.undone_by)
    diagnosis = Run(world, incident).diagnose(0)
    assert diagnosis.plan is not None and {*diagnosis.plan.attach} == {RECEIVE, SEND}


def test_what_was_undone_of_an_undo_that_did_not_finish_waits_for_a_person() -> None:
    world = undone(SEND)
    world.journal.last[str(WORKER)] = LastOutcome("run-0", "ROLLBACK_INCOMPLETE", at(-HOUR))
    refusal = opened(world, ALARM).refusal
    assert refusal is not None and refusal.code == "RECENTLY_UNDONE"


def test_a_run_after_none_was_undone_knows_of_none() -> None:
    world = World()
    enrol(world, WORKER)
    assert opened(world, ALARM).undone is UNSET


MADE = Change("attach", OLD_ROLE, RECEIVE, at(3), done_at=at(4), undone_at=at(9))


@pytest.mark.parametrize(
    ("change", "by_itself", "by_an_undo"),
    [
        (MADE, True, True),
        (replace(MADE, done_at=None, undoing_at=at(8)), True, True),
        (replace(MADE, done_at=None), False, False),
        (replace(MADE, ended_by="expiry-1"), False, False),
        (replace(MADE, lost_at=at(5)), True, False),
        (replace(MADE, left_for="run-2 needs it"), True, False),
        (replace(MADE, undone_at=None), False, False),
        (replace(MADE, kind="withdraw"), False, False),
    ],
    ids=[
        "made",
        "made, not recorded",
        "never made",
        "ended before",
        "taken off",
        "left",
        "stands",
        "no grant",
    ],
)
def test_only_what_was_changed_counts(change: Change, by_itself: bool, by_an_undo: bool) -> None:
    known = {f"{OLD_ROLE} {RECEIVE}": at(9)}
    assert undone_attachments([change], own=True) == (known if by_itself else {})
    assert undone_attachments([change], own=False) == (known if by_an_undo else {})
