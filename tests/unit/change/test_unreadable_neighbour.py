"""A service that runs with the role and whose catalogue entry cannot be read keeps a grant for one period."""

from __future__ import annotations

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from regrant.model.aws import TaskDefinition
from regrant.model.results import Withdrawal
from regrant.model.run import Incident, Report
from tests.unit.cure import BACKEND, CURE, DAY, EXPIRY, enrol, granted, let_go, run
from tests.unit.fakes import ENTRY, INCIDENT, OLD_ROLE, RECEIVE, ROUTE, RUNNING, World, at
from tests.unit.run import Run

BACKENDS = "arn:aws:ecs:us-east-1:123456789012:task-definition/retainwise-backend:7"
NOT_LISTED = "arn:aws:iam::123456789012:policy/not-listed"
UNREADABLE = ["", "{", "[]", '{"task_role": 1}']


def beside(text: str = "{") -> World:
    """The worker is contained; the backend runs with its role, and its entry has that text."""
    world = granted()
    world.services.definitions[BACKENDS] = TaskDefinition(BACKENDS, OLD_ROLE, (ROUTE,))
    world.services.others[BACKEND] = replace(RUNNING, task_definition=BACKENDS, deployments=())
    world.catalogue.parameters[BACKEND] = text
    return world


def expire(world: World, name: str, seconds: float, incident: Incident = EXPIRY) -> Withdrawal:
    let_go(world)
    withdrawal = run(world, replace(incident, id=name, subject=name), seconds).withdrawal
    assert withdrawal is not None
    return withdrawal


def report(world: World, name: str, seconds: float) -> Report:
    let_go(world)
    going = Run(world, replace(EXPIRY, id=name, subject=name))
    going.diagnose(seconds)
    going.capture(seconds + 1)
    going.withdraw(seconds + 2)
    return going.close(seconds + 3)


@pytest.mark.parametrize("text", UNREADABLE)
def test_the_grant_is_renewed_once_and_then_ends(text: str) -> None:
    world = beside(text)
    first = expire(world, "expire-1", DAY)
    assert (first.removed, first.next) == ((), "CLOSE") and str(BACKEND) in first.kept[0].why
    assert world.roles.role.attached == (RECEIVE,)
    second = expire(world, "expire-2", 2 * DAY + 300)
    assert (second.removed, second.next, second.unread) == ((RECEIVE,), "WATCH", (str(BACKEND),))
    assert not world.roles.attached(OLD_ROLE) and not world.holds.of(OLD_ROLE)


def test_another_way_to_be_unreadable_and_another_service_do_not_renew_it_again() -> None:
    world = beside()
    expire(world, "expire-1", DAY)
    del world.catalogue.parameters[BACKEND]
    other = replace(BACKEND, name="retainwise-reports")
    world.services.others[other] = world.services.others[BACKEND]
    enrol(world, other, replace(ENTRY, policies=(NOT_LISTED,)))
    assert expire(world, "expire-2", 2 * DAY + 300).removed == (RECEIVE,)


def test_the_same_try_again_keeps_what_its_first_try_has_renewed() -> None:
    world = beside()
    going = Run(world, EXPIRY)
    going.diagnose(DAY)
    going.capture(DAY + 1)
    assert going.withdraw(DAY + 2).removed == ()
    assert going.withdraw(DAY + 2).removed == () and world.roles.role.attached == (RECEIVE,)


def test_a_cure_leaves_it_with_its_time_and_its_end_comes() -> None:
    world = beside()
    withdrawal = expire(world, "cure-1", 3600, CURE)
    assert (withdrawal.removed, withdrawal.kept[0].until) == ((), at(DAY + 2))
    expire(world, "expire-1", DAY + 2)
    assert expire(world, "expire-2", 3 * DAY).removed == (RECEIVE,)


def test_an_entry_that_was_corrected_counts_as_it_says() -> None:
    world = beside()
    expire(world, "expire-1", DAY)
    enrol(world, BACKEND)
    kept = expire(world, "expire-2", 2 * DAY + 300)
    assert kept.removed == () and "declares it" in kept.kept[0].why and kept.unread is UNSET


def test_a_service_that_does_not_run_with_the_role_keeps_nothing() -> None:
    world = beside()
    world.services.definitions[BACKENDS] = TaskDefinition(BACKENDS, f"{OLD_ROLE}-2", (ROUTE,))
    withdrawal = expire(world, "expire-1", DAY)
    assert withdrawal.removed == (RECEIVE,) and withdrawal.unread is UNSET


def test_a_trial_that_puts_it_back_does_not_say_that_it_has_ended() -> None:
    world = beside()
    expire(world, "expire-1", DAY)
    let_go(world)
    going = Run(world, replace(EXPIRY, id="expire-2", subject="expire-2"))
    going.diagnose(2 * DAY + 300)
    going.capture(2 * DAY + 301)
    assert going.withdraw(2 * DAY + 302).removed == (RECEIVE,)
    going.undo(2 * DAY + 600)
    going.confirm(2 * DAY + 700)
    codes = [finding.code for finding in going.close(2 * DAY + 701).findings]
    assert "ENTRY_UNREADABLE" not in codes and world.roles.role.attached == (RECEIVE,)


def test_the_renewal_is_notified_once_and_says_whose_entry_to_correct() -> None:
    world = beside()
    first = report(world, "expire-1", DAY)
    assert (first.outcome, "GRANT_STAYS" in [f.code for f in first.findings]) == ("REFUSED", True)
    assert str(BACKEND) in first.next and "it ends then" in first.next
    assert len(world.topic.sent) == 1
    (hold,) = world.holds.of(OLD_ROLE)
    assert (hold.incident, hold.unread_by) == (INCIDENT, "expire-1")
    second = report(world, "expire-2", 2 * DAY + 300)
    (finding,) = [finding for finding in second.findings if finding.code == "ENTRY_UNREADABLE"]
    assert str(BACKEND) in finding.text and len(world.topic.sent) == 2
