"""Mode keep: a temporary grant is there for good from now on, and everything that would end it leaves it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant import grants
from regrant.model.aws import name_of
from regrant.model.run import Report
from tests.unit.cure import (
    CURE,
    DAY,
    EXPIRY,
    LATER,
    another_grant,
    granted,
    let_go,
    planned,
    standing,
    undo,
    undo_report,
)
from tests.unit.fakes import ENTRY, INCIDENT, OLD_ROLE, RECEIVE, ROLE, SEND, UNDO, World, at
from tests.unit.run import Run, opened

KEEP = replace(EXPIRY, id="keep-1", subject="keep-1", mode="keep", expires=INCIDENT)


def keep(world: World, seconds: float = LATER) -> Report:
    run = Run(world, KEEP)
    assert run.diagnose(seconds).next == "CHANGE"
    run.capture(seconds + 1)
    assert run.withdraw(seconds + 2).for_good == (RECEIVE,)
    report = run.close(seconds + 3)
    let_go(world)
    return report


def test_what_is_kept_has_neither_hold_nor_schedule_and_stays_attached() -> None:
    world = granted()
    report = keep(world)
    assert (world.holds.of(OLD_ROLE), world.schedules.at) == ((), {})
    assert world.roles.role.attached == (RECEIVE,)
    assert report.outcome == "CURED"
    assert "KEPT" in [finding.code for finding in report.findings]
    assert report.next.endswith('{"mode": "rollback", "incident": "keep-1"}')


def test_the_undo_of_the_run_that_made_it_leaves_it_and_says_who_kept_it() -> None:
    world = granted()
    keep(world)
    receipt = undo(world, UNDO)
    assert world.roles.role.attached == (RECEIVE,)
    (attach,) = (c for c in world.journal.load(INCIDENT).changes if c.kind == "attach")
    assert attach.left_for == "run keep-1 kept it for good"
    assert receipt.equal and receipt.changed_by_others == (f"+ role.attached.{RECEIVE} = true",)


def kept_and_given_back() -> World:
    """The grant was kept, its run was undone, and then the keep was."""
    world = granted()
    keep(world)
    undo(world, UNDO, LATER + 300)
    let_go(world)
    undo(world, replace(UNDO, id="undo-8", subject="keep-1", role=OLD_ROLE), LATER + 600)
    let_go(world)
    return world


def test_what_was_kept_is_said_to_be_gone_where_somebody_took_it_off_since() -> None:
    world = kept_and_given_back()
    world.roles.role = replace(world.roles.role, attached=())
    (hold,) = world.holds.of(OLD_ROLE)
    grants.drop(world, OLD_ROLE, replace(hold, lost_at=at(LATER + 900)), "cure-1", at(LATER + 960))
    undo(world, replace(UNDO, id="undo-9"), LATER + 1200)
    (attach,) = (c for c in world.journal.load(INCIDENT).changes if c.kind == "attach")
    assert (attach.left_for, attach.lost_at) == (None, at(LATER + 900))


def test_the_undo_after_an_undone_keep_takes_it_off_and_says_so() -> None:
    world = kept_and_given_back()
    undo(world, replace(UNDO, id="undo-9"), LATER + 1200)
    (attach,) = (c for c in world.journal.load(INCIDENT).changes if c.kind == "attach")
    assert (world.roles.role.attached, attach.left_for, attach.undone_at) == ((), None, at(LATER + 1200))


def test_what_was_kept_and_taken_off_by_hand_is_not_said_to_stay() -> None:
    world = granted()
    keep(world)
    world.roles.role = replace(world.roles.role, attached=())
    undo(world, UNDO, LATER + 600)
    (attach,) = (c for c in world.journal.load(INCIDENT).changes if c.kind == "attach")
    assert (attach.left_for, attach.lost_at) == (None, at(LATER + 600))


def test_the_report_of_that_undo_says_that_the_grant_stays_and_who_kept_it() -> None:
    world = granted()
    keep(world)
    step = undo_report(world, UNDO).next
    assert "prod-retainwise-sqs-worker stays: run keep-1 kept it for good." in step
    assert "may be denied" not in step


def test_its_expiry_finds_nothing_left_to_end() -> None:
    world = granted()
    keep(world)
    expiry = Run(world, EXPIRY)
    assert expiry.diagnose(DAY).next == "NOTHING_TO_FIX"
    assert world.roles.role.attached == (RECEIVE,)


def test_undone_it_is_temporary_again() -> None:
    before, world = standing(granted()), granted()
    keep(world)
    undo(world, replace(UNDO, id="undo-9", subject="keep-1", role=OLD_ROLE), LATER + 600)
    assert standing(world) == before


def test_the_report_of_the_undo_of_a_keep_says_until_when_the_grant_is_temporary() -> None:
    world = granted()
    keep(world)
    step = undo_report(world, replace(UNDO, id="undo-9", subject="keep-1", role=OLD_ROLE), LATER + 600).next
    (hold,) = world.holds.of(OLD_ROLE)
    assert f"is a temporary grant on {name_of(OLD_ROLE)} again, until {hold.expires_at}." in step
    assert "left to undo" not in step
    assert "Events start no run" not in step


def test_what_somebody_took_off_cannot_be_kept() -> None:
    world = granted()
    world.roles.detach(OLD_ROLE, RECEIVE)
    run = Run(world, KEEP)
    diagnosis = run.diagnose(LATER)
    assert (diagnosis.next, diagnosis.findings[0].code) == ("NOTHING_TO_FIX", "TAKEN_OFF")
    run.close(LATER + 1)
    assert (world.holds.of(OLD_ROLE), world.schedules.at) == ((), {})


def unshown(world: World, age: float) -> Run:
    """A keep whose first reads, that long after the attachment, show nothing of it."""
    world.roles.role = replace(world.roles.role, attached=())
    run = Run(world, KEEP)
    assert run.diagnose(age).next == "CHANGE"
    run.capture(age + 1)
    return run


@pytest.mark.parametrize("age", [20.0, 200.0])
def test_what_old_answers_of_iam_do_not_show_is_kept_and_never_detached(age: float) -> None:
    world = granted()
    run = unshown(world, age)
    assert run.withdraw(age + 2).next == "WAIT"
    world.roles.role = replace(world.roles.role, attached=(RECEIVE,))
    assert run.withdraw(age + 12).for_good == (RECEIVE,)
    assert (world.roles.detached, world.roles.role.attached) == ([], (RECEIVE,))
    assert run.close(age + 13).outcome == "CURED"


def test_what_is_absent_in_two_reads_that_are_apart_is_forgotten() -> None:
    world = granted()
    run = unshown(world, 200)
    assert [run.withdraw(200 + seconds).next for seconds in (2, 12, 22, 32)] == 3 * ["WAIT"] + ["CLOSE"]
    assert run.close(240).outcome == "NOTHING_TO_FIX"
    assert (world.holds.of(OLD_ROLE), world.schedules.at, world.roles.detached) == ((), {}, [])


def test_while_it_waits_it_says_for_what() -> None:
    (why,) = unshown(granted(), 20).withdraw(22).evidence
    assert why == f"Waits until it is certain whether {name_of(RECEIVE)} is on {name_of(OLD_ROLE)}."


def test_one_of_two_that_was_taken_off_is_forgotten_and_the_other_is_kept() -> None:
    world = granted()
    another_grant(world, INCIDENT, policy=SEND)
    world.roles.detach(OLD_ROLE, SEND)
    world.roles.detached.clear()
    run = Run(world, KEEP)
    assert run.diagnose(LATER).plan is not None
    run.capture(LATER + 1)
    withdrawal = run.withdraw(LATER + 2)
    assert (withdrawal.for_good, [each.policy for each in withdrawal.lost]) == ((RECEIVE,), [SEND])
    assert (world.holds.of(OLD_ROLE), world.roles.detached) == ((), [])


def test_nothing_to_keep_closes_the_record_only_of_what_is_lost_when_it_closes() -> None:
    """Somebody attaches it after the diagnosis found it lost: until a run has seen that, it has its end."""
    world = granted()
    world.roles.role = replace(world.roles.role, attached=())
    run = Run(world, KEEP)
    assert run.diagnose(LATER).next == "NOTHING_TO_FIX"
    world.roles.role = replace(world.roles.role, attached=(RECEIVE,))
    run.close(LATER + 1)
    assert [hold.policy for hold in world.holds.of(OLD_ROLE)] == [RECEIVE] and world.schedules.at


def test_where_the_entry_demands_it_a_person_is_asked() -> None:
    asked = replace(KEEP, entry=replace(ENTRY, approval="required"))
    assert Run(granted(), asked).diagnose(LATER).next == "ASK"


def test_it_is_started_with_the_run_that_made_the_grant() -> None:
    world = granted()
    incident = opened(world, {"mode": "keep", "incident": INCIDENT}, LATER, started=LATER, name="keep-1")
    assert (incident.next, incident.mode, incident.expires, incident.role) == (
        "DIAGNOSE",
        "keep",
        INCIDENT,
        OLD_ROLE,
    )


def test_a_contained_service_on_its_declared_role_is_told_to_keep_the_grant() -> None:
    """A cure would be refused there, and an undo would be an outage."""
    world = World()
    declared = replace(CURE, id=INCIDENT, subject=INCIDENT, mode="contain")
    entry = replace(ENTRY, task_role=OLD_ROLE)
    run = Run(world, replace(declared, entry=entry))
    run.state = replace(run.state, diagnosis=planned(granted(), declared, 1))
    report = _contained(run)
    assert report.next.count('{"mode": "keep"') == 1 and '"cure"' not in report.next


def test_one_on_another_role_is_told_to_cure_the_cause() -> None:
    world = World()
    run = Run(world, replace(CURE, id=INCIDENT, subject=INCIDENT, mode="contain"))
    report = _contained(run)
    assert '"mode": "cure"' in report.next and '"keep"' not in report.next


def _contained(run: Run) -> Report:
    from regrant.model.results import Health
    from tests.unit.fakes import diagnosed

    run.state = replace(run.state, diagnosis=diagnosed(ROLE))
    run.capture()
    run.attach()
    run.state = replace(run.state, health=Health("HEALTHY", at(100), checks=3, samples=3, streak=3, needed=3))
    return run.close(200)
