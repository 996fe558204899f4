"""What a person takes off or attaches between the steps: an undo leaves it, and says so."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from regrant import grants
from regrant.audit.audit import audit_grants
from regrant.audit.found import AuditEvent
from regrant.model.aws import Attachments
from regrant.model.journal import Change, Hold
from tests.unit.cure import (
    BACKEND,
    DAY,
    EXPIRY,
    LATER,
    UNDO_OF_CURE,
    UNDO_OF_EXPIRY,
    another_grant,
    granted,
    let_go,
    run,
    undo,
)
from tests.unit.fakes import INCIDENT, OLD_ROLE, RECEIVE, ROLE, UNDO, Crash, World, at
from tests.unit.run import Run
from tests.unit.undone import contained

# The moments before and after each change of an undo that attaches what another run took off: the intent, the
# hold with its schedule, IAM, the record and what IAM shows; then it restores the service.
REATTACHING = range(1, 25)
LONG = 2 * 3600.0  # seconds after which a read of the role cannot be stale


def change(world: World, kind: str, incident: str = INCIDENT) -> Change:
    return next(c for c in world.journal.load(incident).changes if c.kind == kind)


def test_what_a_person_took_off_and_attached_again_is_theirs() -> None:
    world = contained()
    world.services.finish()
    world.roles.detach(OLD_ROLE, RECEIVE)
    held, there = world.holds.of(OLD_ROLE), world.roles.attachments(OLD_ROLE)
    grants.look_after(world, OLD_ROLE, held, there, at(LONG))  # as the audit does
    world.roles.attach(OLD_ROLE, RECEIVE)
    world.roles.detached.clear()
    run_ = Run(world, replace(UNDO, role=OLD_ROLE))
    run_.undo(LONG + 100)
    assert world.roles.role.attached == (RECEIVE,) and world.roles.detached == []
    assert change(world, "attach").lost_at == at(LONG)
    receipt = run_.confirm(LONG + 200)
    assert receipt.equal and receipt.changed_by_others == (f"+ role.attached.{RECEIVE} = true",)


def test_what_a_person_took_off_is_off_by_their_doing() -> None:
    world = contained()
    world.services.finish()
    world.roles.detach(OLD_ROLE, RECEIVE)
    world.roles.detached.clear()
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(LONG)
    undone = change(world, "attach")
    assert (undone.lost_at, undone.undone_at, world.roles.detached) == (at(LONG), at(LONG), [])
    assert world.holds.of(OLD_ROLE) == () and world.schedules.at == {}


def test_a_role_that_was_made_again_keeps_what_is_on_it() -> None:
    world = contained()
    world.services.finish()
    world.roles.role = replace(world.roles.role, id="AROAANOTHER", attached=(RECEIVE,))
    world.roles.detached.clear()
    run_ = Run(world, replace(UNDO, role=OLD_ROLE))
    run_.undo(LONG)
    assert (world.roles.detached, world.roles.role.attached) == ([], (RECEIVE,))
    assert run_.confirm(LONG + 100).equal


def test_a_policy_that_was_made_again_is_not_what_was_attached() -> None:
    world = contained()
    world.services.finish()
    (hold,) = world.holds.of(OLD_ROLE)
    world.holds.write(OLD_ROLE, replace(hold, policy_id="ANPAFIRST"))
    world.roles.ids[RECEIVE] = "ANPASECOND"
    world.roles.detached.clear()
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(LONG)
    assert (world.roles.detached, world.roles.role.attached) == ([], (RECEIVE,))


def test_a_failed_fix_is_taken_off_although_an_earlier_run_is_on_record() -> None:
    """The earlier run's attachment is gone: it keeps nothing alive."""
    world = World()
    earlier = another_grant(world, "run-0")
    world.roles.detach(OLD_ROLE, RECEIVE)
    world.holds.write(OLD_ROLE, replace(earlier, lost_at=at(1)))
    world = contained(world=world)
    world.services.finish()
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(200)
    assert world.roles.role.attached == ()
    assert change(world, "attach").left_for is None


def test_what_another_run_needs_is_left_and_the_change_says_for_whom() -> None:
    world = contained()
    world.services.finish()
    another_grant(world, "run-2", BACKEND)
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(200)
    assert (world.roles.role.attached, change(world, "attach").left_for) == ((RECEIVE,), "run run-2 needs it")


def left_for_another() -> tuple[World, Hold]:
    world = contained()
    world.services.finish()
    other = another_grant(world, "run-2", BACKEND)
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(200)
    return world, other


def test_what_was_left_for_a_run_that_has_ended_since_is_ended_by_that() -> None:
    world, other = left_for_another()
    world.roles.detach(OLD_ROLE, RECEIVE)
    grants.drop(world, OLD_ROLE, other, "run-3", at(400))
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(500)
    undone = change(world, "attach")
    assert (undone.left_for, undone.ended_by, undone.undone_at) == (None, "run-3", at(200))


@pytest.mark.parametrize(
    ("kept", "why"), [(True, "run run-3 kept it for good"), (False, "somebody attached it again")]
)
def test_what_is_there_though_no_run_needs_it_any_more_stays_for_whoever_it_is(kept: bool, why: str) -> None:
    world, other = left_for_another()
    grants.drop(world, OLD_ROLE, other, "run-3", at(400), kept=kept)
    world.roles.detached.clear()
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(500)
    assert change(world, "attach").left_for == why
    assert (world.roles.detached, world.roles.role.attached) == ([], (RECEIVE,))


def test_what_the_roles_tag_names_is_left() -> None:
    world = contained()
    world.services.finish()
    world.roles.role = replace(world.roles.role, tags={"regrant:keep": "prod-retainwise-sqs-worker"})
    Run(world, replace(UNDO, role=OLD_ROLE)).undo(200)
    assert change(world, "attach").left_for == "the role's tag regrant:keep names it"
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((RECEIVE,), ())


def test_an_undo_does_not_attach_what_a_person_took_off_meanwhile() -> None:
    """The cure let the policy go, since another run has it on record; then a person took it off."""
    world = granted()
    another_grant(world, "run-2", BACKEND)
    run(world)
    let_go(world)
    world.roles.detach(OLD_ROLE, RECEIVE)
    undo_ = Run(world, UNDO_OF_CURE)
    done = undo_.undo(LONG)
    assert (world.roles.role.attached, done.lost) == ((), (RECEIVE,))
    assert [hold.incident for hold in world.holds.of(OLD_ROLE)] == ["run-2"]


def ended_by_another_run() -> World:
    """A cure let go of its grant beside another one, and the undo of that one took the policy off."""
    world = granted()
    theirs = another_grant(world, "run-2", BACKEND)
    run(world)
    let_go(world)
    world.roles.detach(OLD_ROLE, RECEIVE)
    grants.drop(world, OLD_ROLE, theirs, "undo-of-2", at(LATER + 500), detached=True)
    world.fuse.passed = 0
    return world


def test_what_another_run_took_off_since_is_attached_again_with_a_change_that_says_so() -> None:
    world = ended_by_another_run()
    undo(world)
    assert world.roles.role.attached == (RECEIVE,)
    assert world.fuse.passed == len(REATTACHING)
    back = change(world, "reattach", "cure-1")
    assert back.done_at is not None and back.shown_at is not None


@pytest.mark.parametrize("moment", REATTACHING)
def test_wherever_that_crashed_it_can_be_done_again(moment: int) -> None:
    world = ended_by_another_run()
    world.fuse.blows_at = moment
    with pytest.raises(Crash):
        undo(world)
    let_go(world)
    undo(world, seconds=LATER + 700)
    assert world.roles.role.attached == (RECEIVE,)
    assert [hold.incident for hold in world.holds.of(OLD_ROLE)] == [INCIDENT]
    assert change(world, "reattach", "cure-1").shown_at is not None


def test_a_role_that_was_deleted_after_such_a_crash_gets_nothing() -> None:
    world = ended_by_another_run()
    world.fuse.blows_at = 7
    with pytest.raises(Crash):
        undo(world)
    let_go(world)
    world.roles.role = replace(world.roles.role, id="AROAANOTHER", attached=())
    Run(world, UNDO_OF_CURE).undo(LATER + 700)
    assert world.roles.role.attached == ()
    assert change(world, "reattach", "cure-1").lost_at == at(LATER + 700)


def test_a_role_on_which_that_does_not_show_yet_is_read_again_and_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = ended_by_another_run()
    before, attachments = world.roles.attachments(OLD_ROLE), world.roles.attachments
    undo_ = Run(world, UNDO_OF_CURE)
    monkeypatch.setattr(world.roles, "attachments", lambda *_: before)
    first = undo_.undo_role(LATER + 600)
    assert (first.next, first.phase, first.put_back) == ("WAIT", "PUT_BACK", None)
    monkeypatch.setattr(world.roles, "attachments", attachments)
    assert undo_.undo_role(LATER + 615).put_back is not None
    assert change(world, "reattach", "cure-1").shown_at == at(LATER + 615)
    lease = next(lease for key, lease in world.leases.held.items() if "role" in key)
    assert lease.ends_at == at(LATER + 615)


def test_what_was_withdrawn_minutes_ago_is_read_again_until_iam_shows_it_or_a_minute_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = granted()
    run(world)
    let_go(world)
    stale = world.roles.attachments(OLD_ROLE)
    assert stale is not None and RECEIVE not in stale.policies
    monkeypatch.setattr(world.roles, "attachments", lambda *_: stale)
    undo_ = Run(world, UNDO_OF_CURE)
    begun = LATER + 600
    looks = [undo_.undo_role(begun + seconds) for seconds in (0, 15, 45)]
    assert [(look.next, look.put_back) for look in looks] == [("WAIT", None)] * 3
    assert undo_.undo_role(begun + 60).put_back == (RECEIVE,)


def test_what_a_person_attached_after_a_withdrawal_gets_no_hold_of_ours() -> None:
    world = granted()
    run(world)
    let_go(world)
    world.roles.attach(OLD_ROLE, RECEIVE)
    undo(world, seconds=LATER + 900)
    assert world.holds.of(OLD_ROLE) == ()
    assert change(world, "withdraw", "cure-1").left_for == "somebody attached it again"


class Stale:
    """IAM that shows a policy that was taken off, for so many reads more."""

    def __init__(self, world: World, reads: int) -> None:
        self.left, self.fresh = reads, world.roles.attachments

    def __call__(self, role: str, policies: tuple[str, ...] = ()) -> Attachments | None:
        there = self.fresh(role, policies)
        if there and not there.policies and self.left:
            self.left -= 1
            return Attachments(there.role_id, {RECEIVE: "ANPAEXAMPLE"})
        return there


def test_an_undo_waits_until_iam_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = contained()
    world.services.finish()
    monkeypatch.setattr(world.roles, "attachments", Stale(world, 1))
    run_ = Run(world, replace(UNDO, role=OLD_ROLE))
    assert [run_.undo(200, rounds=rounds).next for rounds in (1, 9)][-1] == "CONFIRM"
    assert change(world, "attach").shown_at is not None
    assert run_.confirm(300).equal and world.roles.role == ROLE


def test_what_iam_goes_on_to_show_was_attached_by_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """DetachRolePolicy has succeeded, so it is not this run's, and nobody needs to be paged for it."""
    world = contained()
    world.services.finish()
    monkeypatch.setattr(world.roles, "attachments", Stale(world, 99))
    assert Run(world, replace(UNDO, role=OLD_ROLE)).undo(200).next == "CONFIRM"


def test_what_the_audit_closed_between_our_detaching_and_its_record_is_put_back() -> None:
    """A step that crashed after DetachRolePolicy looks as if somebody had taken the policy off."""
    world = granted()
    going = Run(world, EXPIRY)
    late = DAY + 2 * 3600
    going.diagnose(late)
    going.capture(late + 1)
    world.fuse.passed, world.fuse.blows_at = 0, 4  # after IAM, before the hold
    with pytest.raises(Crash):
        going.withdraw(late + 2)
    world.fuse.blows_at = 0
    audit_grants(AuditEvent(at(late + 30)), world)
    assert going.withdraw(late + 40).removed == (RECEIVE,)
    let_go(world)
    undo(world, UNDO_OF_EXPIRY, late + 300)
    assert world.roles.role.attached == (RECEIVE,)
    assert [hold.incident for hold in world.holds.of(OLD_ROLE)] == [INCIDENT]
