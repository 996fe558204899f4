"""Which temporary grants go, which stay and for whom, and until when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from regrant.change.withdraw import withdraw_grants
from regrant.errors import GrantWithdrawn
from regrant.model.aws import ServiceState, TaskDefinition, name_of
from regrant.model.journal import Hold
from regrant.model.results import Withdrawal
from regrant.model.run import Incident, RunState
from tests.unit.cure import (
    BACKEND,
    CURE,
    DAY,
    EXPIRY,
    LATER,
    another_grant,
    enrol,
    granted,
    let_go,
    planned,
    ready,
    run,
    undo,
)
from tests.unit.fakes import (
    DEFINITION,
    ENTRY,
    INCIDENT,
    NEWER_DEFINITION,
    OLD,
    OLD_ROLE,
    RECEIVE,
    ROUTE,
    RUNNING,
    SEND,
    WORKER_ROLE,
    Crash,
    World,
    at,
)
from tests.unit.run import Run

BACKENDS = "arn:aws:ecs:us-east-1:123456789012:task-definition/retainwise-backend:7"
BACKENDS_NEW = "arn:aws:ecs:us-east-1:123456789012:task-definition/retainwise-backend:8"


def outcome(world: World, incident: Incident = CURE, seconds: float = LATER) -> Withdrawal:
    withdrawal = run(world, incident, seconds).withdrawal
    assert withdrawal is not None
    return withdrawal


def withdraw(world: World, state: RunState, seconds: float) -> Withdrawal:
    return withdraw_grants(state, world, at(seconds))


def beside(world: World, **changed: Any) -> None:
    """The backend runs with the worker's role and declares the same policy."""
    world.services.definitions[BACKENDS] = TaskDefinition(BACKENDS, OLD_ROLE, (ROUTE,))
    world.services.definitions[BACKENDS_NEW] = TaskDefinition(BACKENDS_NEW, WORKER_ROLE, (ROUTE,))
    world.services.others[BACKEND] = replace(RUNNING, task_definition=BACKENDS, deployments=(), **changed)
    enrol(world, BACKEND)


def hold_of(world: World, incident: str, policy: str = RECEIVE) -> Hold:
    return world.holds.written[OLD_ROLE, policy, incident]


def test_a_cure_takes_every_grant_of_its_service_whichever_run_made_it() -> None:
    world = granted()
    another_grant(world, "run-2", policy=SEND)
    another_grant(world, "run-3", expires=2 * DAY)
    assert set(outcome(world).removed) == {RECEIVE, SEND}
    assert (world.holds.of(OLD_ROLE), world.schedules.at, world.roles.role.attached) == ((), {}, ())


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expiry"])
def test_what_the_roles_tag_names_since_the_plan_stays_for_good(incident: Incident) -> None:
    world, seconds = granted(), DAY
    going = Run(world, incident)
    plan = going.diagnose(seconds).plan
    assert plan is not None and plan.withdraw == (RECEIVE,)
    going.capture(seconds + 1)
    if plan.new_role:
        going.redeploy(seconds + 2)
        world.services.finish()
    world.roles.role = replace(world.roles.role, tags={"regrant:keep": name_of(RECEIVE)})
    withdrawal = going.withdraw(seconds + 300)
    assert (withdrawal.removed, withdrawal.for_good, withdrawal.next) == ((), (RECEIVE,), "CLOSE")
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((RECEIVE,), ())


def test_what_an_earlier_try_began_to_take_off_is_taken_off_whatever_the_tag_says() -> None:
    world = granted()
    world.fuse.blows_at = 2
    going = Run(world, EXPIRY)
    going.diagnose(DAY)
    going.capture(DAY + 1)
    with pytest.raises(Crash):
        going.withdraw(DAY + 2)
    world.roles.role = replace(world.roles.role, tags={"regrant:keep": name_of(RECEIVE)})
    assert going.withdraw(DAY + 2).removed == (RECEIVE,)


def test_a_cure_without_a_containment_before_it_withdraws_nothing_and_needs_no_second_proof() -> None:
    withdrawal = outcome(ready())
    assert (withdrawal.next, withdrawal.removed) == ("CLOSE", ())


def test_what_was_there_without_a_record_is_nobodys_grant_and_stays() -> None:
    world = ready(attached=(RECEIVE,))
    assert outcome(world).removed == ()
    assert world.roles.role.attached == (RECEIVE,)


def test_a_policy_that_another_services_incident_holds_stays_for_it_alone() -> None:
    world = granted()
    theirs = another_grant(world, "run-2", BACKEND)
    (kept,) = outcome(world).kept
    assert (kept.policy, kept.until) == (RECEIVE, None) and "run run-2 holds it" in kept.why
    assert world.roles.role.attached == (RECEIVE,)
    assert (world.holds.of(OLD_ROLE), list(world.schedules.at)) == ((theirs,), [("run-2", at(DAY))])


def test_a_grant_stays_with_its_time_for_a_service_that_runs_with_the_role_and_declares_it() -> None:
    world = granted()
    beside(world)
    (kept,) = outcome(world).kept
    assert str(BACKEND) in kept.why and kept.until == hold_of(world, INCIDENT).expires_at
    assert world.roles.role.attached == (RECEIVE,)
    assert list(world.schedules.at) == [(INCIDENT, kept.until)]


@pytest.mark.parametrize(
    "arrange",
    [
        lambda world: enrol(world, BACKEND, replace(ENTRY, policies=(SEND,))),
        lambda world: world.services.others.clear(),
        lambda world: beside(world, status="INACTIVE"),
        lambda world: world.services.definitions.update(
            {BACKENDS: TaskDefinition(BACKENDS, WORKER_ROLE, (ROUTE,))}
        ),
    ],
    ids=["declares another", "is gone", "is deleted", "has another role"],
)
def test_a_service_that_does_not_depend_on_the_grant_keeps_nothing(arrange: Callable[[World], None]) -> None:
    world = granted()
    beside(world)
    arrange(world)
    assert outcome(world).removed == (RECEIVE,)


def test_during_its_rollout_to_another_role_a_service_still_depends_on_the_grant() -> None:
    world = granted()
    beside(world)
    old, new = (
        replace(OLD, status="ACTIVE", task_definition=BACKENDS),
        replace(OLD, id="ecs-svc/2", rollout_state="IN_PROGRESS", task_definition=BACKENDS_NEW),
    )
    moving: ServiceState = replace(RUNNING, task_definition=BACKENDS_NEW, deployments=(new, old))
    world.services.others[BACKEND] = moving
    assert outcome(world).removed == ()
    assert world.roles.role.attached == (RECEIVE,)


@pytest.mark.parametrize("text", ["", "{", '{"task_role": 1}', "[]"])
def test_a_service_whose_entry_cannot_be_read_may_declare_anything(text: str) -> None:
    world = granted()
    beside(world)
    world.catalogue.parameters[BACKEND] = text
    assert outcome(world).removed == ()


def test_an_entry_of_a_cluster_that_is_not_managed_keeps_nothing() -> None:
    world = granted()
    foreign = replace(BACKEND, cluster="other")
    enrol(world, foreign)
    world.services.others[foreign] = RUNNING
    assert outcome(world).removed == (RECEIVE,)


def test_while_another_run_changes_the_role_nothing_is_taken_off() -> None:
    world = granted()
    state = replace(run(ready()), withdrawal=None)
    other = replace(state, incident=replace(CURE, id="other"))
    assert withdraw(world, other, LATER).next == "CLOSE"
    waiting = withdraw(world, state, LATER + 1)
    assert (waiting.next, waiting.checks, waiting.removed) == ("WAIT", 1, ())
    assert "Waits for run other" in waiting.evidence[0]
    assert withdraw(world, replace(state, withdrawal=waiting), LATER + 11).checks == 2


def test_an_expiry_takes_its_own_incidents_grant_and_watches() -> None:
    world = granted()
    another_grant(world, "run-2", policy=SEND, expires=2 * DAY)
    withdrawal = outcome(world, EXPIRY, DAY)
    assert (withdrawal.removed, withdrawal.next) == ((RECEIVE,), "WATCH")
    assert [hold.policy for hold in world.holds.of(OLD_ROLE)] == [SEND]


def test_an_expired_grant_that_another_service_declares_is_renewed_for_one_period_and_says_why() -> None:
    world = granted()
    beside(world)
    (kept,) = outcome(world, EXPIRY, DAY).kept
    renewed = hold_of(world, INCIDENT)
    assert kept.until == renewed.expires_at == at(2 * DAY + 300)
    assert "renewed" in renewed.why and str(BACKEND) in renewed.why
    assert (INCIDENT, kept.until) in world.schedules.at


def test_a_renewal_has_its_last_reason_only() -> None:
    world = granted()
    beside(world)
    outcome(world, EXPIRY, DAY)
    let_go(world)
    outcome(world, replace(EXPIRY, id="expire-2", subject="expire-2"), 2 * DAY + 300)
    assert hold_of(world, INCIDENT).why.count("renewed") == 1


def test_an_expired_grant_of_a_service_in_a_rollout_is_renewed_and_not_taken_off() -> None:
    world = granted()
    world.services.somebody_deploys(DEFINITION)
    withdrawal = outcome(world, EXPIRY, DAY)
    assert (withdrawal.removed, withdrawal.next, world.roles.role.attached) == ((), "CLOSE", (RECEIVE,))
    assert withdrawal.kept[0].until == at(2 * DAY + 300)


def test_an_expired_grant_that_another_incident_shares_goes_on_for_the_service_that_depends_on_it() -> None:
    world = granted()
    another_grant(world, "run-2", BACKEND)
    (kept,) = outcome(world, EXPIRY, DAY).kept
    assert kept.until == hold_of(world, INCIDENT).expires_at == at(2 * DAY + 300)
    assert hold_of(world, "run-2").dropped_at is None


def test_an_expired_grant_that_another_incident_shares_ends_for_a_service_that_has_moved() -> None:
    world = granted()
    another_grant(world, "run-2", BACKEND)
    world.services.somebody_deploys(NEWER_DEFINITION)
    world.services.finish()
    (kept,) = outcome(world, EXPIRY, DAY).kept
    assert kept.until is None and hold_of(world, INCIDENT).dropped_by == EXPIRY.id
    assert world.roles.role.attached == (RECEIVE,)


def test_the_schedule_of_an_incident_stays_while_one_of_its_policies_does() -> None:
    for gone, needed in ((RECEIVE, SEND), (SEND, RECEIVE)):
        world = granted()
        ends = hold_of(world, INCIDENT).expires_at
        assert ends is not None
        world.roles.attach(OLD_ROLE, SEND)
        world.holds.write(OLD_ROLE, replace(hold_of(world, INCIDENT), policy=SEND, policy_id=""))
        beside(world)
        enrol(world, BACKEND, replace(ENTRY, policies=(needed,)))
        assert outcome(world).removed == (gone,)
        assert list(world.schedules.at) == [(INCIDENT, ends)]


def test_both_policies_of_an_incident_go_with_their_one_schedule() -> None:
    world = granted()
    world.roles.attach(OLD_ROLE, SEND)
    world.holds.write(OLD_ROLE, replace(hold_of(world, INCIDENT), policy=SEND, policy_id=""))
    assert set(outcome(world).removed) == {RECEIVE, SEND}
    assert world.schedules.at == {}


def test_a_grant_that_is_renewed_before_its_time_has_one_schedule() -> None:
    world = granted()
    beside(world)
    (kept,) = outcome(world, EXPIRY, LATER).kept
    assert list(world.schedules.at) == [(INCIDENT, kept.until)]


# Before and after each change of a renewal: the new schedule, the old one, the hold.
@pytest.mark.parametrize("moment", range(1, 7))
def test_wherever_a_renewal_crashed_its_second_try_leaves_one_schedule(moment: int) -> None:
    world = granted()
    beside(world)
    world.fuse.blows_at = moment
    withdrawal = run(world, EXPIRY, LATER, retries=1).withdrawal
    assert withdrawal is not None
    assert list(world.schedules.at) == [(INCIDENT, withdrawal.kept[0].until)]
    assert hold_of(world, INCIDENT).expires_at == withdrawal.kept[0].until


def test_what_a_person_took_off_before_is_not_withdrawn_and_its_record_ends() -> None:
    world = granted()
    world.roles.detach(OLD_ROLE, RECEIVE)
    withdrawal = outcome(world, CURE)
    assert (withdrawal.removed, withdrawal.kept, withdrawal.next) == ((), (), "CLOSE")
    assert [(lost.policy, lost.again) for lost in withdrawal.lost] == [(RECEIVE, False)]
    assert (world.holds.of(OLD_ROLE), world.schedules.at) == ((), {})
    assert "withdraw" not in [change.kind for change in world.journal.load(CURE.id).changes]


def test_what_a_person_attached_after_that_is_left_alone_and_named() -> None:
    world = granted()
    world.roles.detach(OLD_ROLE, RECEIVE)
    going = Run(world, CURE)
    going.diagnose(LATER)
    going.capture(LATER + 1)
    going.redeploy(LATER + 2)
    world.services.finish()
    world.roles.attach(OLD_ROLE, RECEIVE)
    withdrawal = going.withdraw(LATER + 300)
    assert [(lost.policy, lost.again) for lost in withdrawal.lost] == [(RECEIVE, True)]
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((RECEIVE,), ())


def test_an_expiry_of_what_a_person_took_off_closes_its_record_and_detaches_nothing() -> None:
    world = granted()
    world.roles.detach(OLD_ROLE, RECEIVE)
    world.roles.detached.clear()
    expiry = Run(world, EXPIRY)
    assert expiry.diagnose(DAY).next == "NOTHING_TO_FIX"
    report = expiry.close(DAY + 1)
    assert "TAKEN_OFF" in [finding.code for finding in report.findings]
    assert (world.holds.of(OLD_ROLE), world.schedules.at, world.roles.detached) == ((), {}, [])


def test_the_undo_does_not_attach_what_a_person_took_off_before() -> None:
    world = granted()
    world.roles.detach(OLD_ROLE, RECEIVE)
    run(world)
    let_go(world)
    receipt = undo(world)
    assert receipt.equal and receipt.changed_by_others == ()
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE), world.schedules.at) == ((), (), {})


def taken_off_by_a_person_first(world: World) -> None:
    """Somebody's DetachRolePolicy comes between what the step has read and its own."""
    detach = world.roles.detach

    def late(role: str, policy: str) -> bool:
        detach(role, policy)
        return detach(role, policy)

    world.roles.detach = late  # type: ignore[method-assign]


def test_what_a_person_took_off_in_that_very_moment_was_not_the_run_and_its_undo_leaves_it_off() -> None:
    world = granted()
    taken_off_by_a_person_first(world)
    state = run(world, CURE)
    withdrawal = state.withdrawal
    assert withdrawal is not None and (withdrawal.removed, withdrawal.next) == ((), "CLOSE")
    assert [lost.policy for lost in withdrawal.lost] == [RECEIVE]
    again = withdraw(world, replace(state, withdrawal=None), LATER + 301)
    assert (again.removed, again.lost) == (withdrawal.removed, withdrawal.lost)
    let_go(world)
    undo(world)
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((), ())


def test_a_withdrawal_that_was_begun_is_finished_although_somebody_declares_the_policy_by_now() -> None:
    world = granted()
    world.fuse.blows_at = 16  # IAM has taken it off
    with pytest.raises(Crash):
        run(world)
    world.fuse.blows_at = 0
    beside(world)
    diagnosis = planned(granted())
    assert withdraw(world, RunState(CURE, diagnosis), LATER + 301).removed == (RECEIVE,)
    assert (world.roles.role.attached, world.holds.of(OLD_ROLE)) == ((), ())


def test_what_somebody_attached_after_a_try_that_was_not_heard_is_theirs() -> None:
    world = granted()
    state = replace(run(world), withdrawal=None)
    world.roles.attach(OLD_ROLE, RECEIVE)
    assert withdraw(world, state, LATER + 310).removed == (RECEIVE,)
    assert world.roles.role.attached == (RECEIVE,)


def test_a_run_that_goes_on_after_its_undo_withdraws_nothing() -> None:
    world = granted()
    state = run(world)
    let_go(world)
    undo(world)
    let_go(world)
    with pytest.raises(GrantWithdrawn, match="cure-1 has been undone"):
        withdraw(world, state, LATER + 900)
    assert world.roles.role.attached == (RECEIVE,)


def test_a_grant_that_a_later_incident_of_the_service_holds_goes_on_until_that_ones_time() -> None:
    world = granted()
    another_grant(world, "run-2", expires=2 * DAY)
    (kept,) = outcome(world, EXPIRY, DAY).kept
    assert kept.until == at(2 * DAY) and "run run-2 holds it" in kept.why
    assert hold_of(world, INCIDENT).dropped_by == EXPIRY.id
    assert list(world.schedules.at) == [("run-2", at(2 * DAY))]
