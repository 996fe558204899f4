"""The baseline: how much is read again for it, what it says, and how a run waits for its role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from regrant.baseline.capture import ROLE_WAIT_LIMIT
from regrant.baseline.facts import facts, fingerprint
from regrant.clock import HOUR
from regrant.errors import AccountMoved, AwsRefused, NotOfThisRun, RoleGone, ServiceGone
from regrant.model.aws import Baseline
from regrant.model.journal import Hold, Lease
from regrant.model.results import BaselineMark
from regrant.model.run import Depths, Diagnosis, Incident
from tests.unit.cure import BACKEND, CURE, DAY, EXPIRY, LATER, another_grant, granted
from tests.unit.fakes import (
    BACKEND_ROLE,
    DEFINITION,
    ENTRY,
    INCIDENT,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    QUEUE,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    WORKER,
    WORKER_ROLE,
    World,
    at,
    diagnosed,
    text_of,
)
from tests.unit.run import Run

RESOURCE = f"role/{OLD_ROLE}"
BRIEFLY = ["attached", "describe"]
WHOLLY = ["depth", "depth", "describe", "entry", "of", "read", "read_policies"]
# The brief path cannot be gone on with, and what it has read is read again.
BOTH = sorted([*BRIEFLY, *WHOLLY])
FOUND = diagnosed(task_definition=DEFINITION)


class Reads(list[str]):
    """The reads that are made of the account from now on, by name."""

    def __init__(self, world: World) -> None:
        for port, names in (
            (world.roles, ("attached", "read", "read_policies")),
            (world.catalogue, ("entry",)),
            (world.services, ("describe",)),
            (world.holds, ("of",)),
            (world.queues, ("depth",)),
        ):
            for name in names:
                setattr(port, name, self._noting(name, getattr(port, name)))

    def _noting(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            self.append(name)
            return read(*args)

        return noted


def captured(world: World, diagnosis: Diagnosis = FOUND, seconds: float = 2) -> BaselineMark:
    run = Run(world, diagnosis=diagnosis)
    if diagnosis.next == "ASK":
        run.approve()
    return run.capture(seconds)


def reads(world: World, run: Run | None = None, seconds: float = 2) -> list[str]:
    made = Reads(world)
    (run or Run(world, diagnosis=FOUND)).capture(seconds)
    return sorted(made)


def baseline(world: World, incident: str = INCIDENT) -> Baseline:
    return world.journal.baselines[incident]


def leased(world: World, owner: str = "another", taken: float = 0, ends: float = 37_000) -> None:
    world.leases.held[RESOURCE] = Lease(RESOURCE, owner, at(taken), at(ends), owner)


def waited(world: World) -> Run:
    """A containment that has found the role taken once; it is free now."""
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    world.leases.held.clear()
    return run


def immediately(world: World) -> Run:
    return Run(world, diagnosis=FOUND)


# The brief path and the whole one say the same.
both_paths = pytest.mark.parametrize("begun", [immediately, waited], ids=["brief", "whole"])
Begun = Callable[[World], Run]


@both_paths
def test_the_mark_has_what_later_steps_compare_with(begun: Begun) -> None:
    mark = begun(World()).capture(5)
    assert mark.sha256 == fingerprint(facts(ROLE, RUNNING))
    assert (mark.primary_deployment, mark.task_definition) == (OLD_DEPLOYMENT, DEFINITION)
    assert (mark.at, mark.next) == (at(5), "ATTACH")


@both_paths
def test_the_baseline_is_role_and_service_as_they_are(begun: Begun) -> None:
    world = World()
    begun(world).capture(5)
    assert (baseline(world).role, baseline(world).service) == (ROLE, RUNNING)


@both_paths
def test_the_role_is_this_runs_once_its_baseline_stands(begun: Begun) -> None:
    world = World()
    begun(world).capture(5)
    assert world.leases.held[RESOURCE].owner == INCIDENT


@both_paths
def test_when_the_grant_ends_is_known_before_anything_is_attached(begun: Begun) -> None:
    world = World()
    run = begun(world)
    run.state = replace(
        run.state, incident=replace(INCIDENT_OF_WORKER, entry=replace(ENTRY, grant_ttl_hours=6))
    )
    mark = run.capture(5)
    assert mark.grant_ends_at == baseline(world).grant_ends_at == at(5 + 6 * HOUR)


@both_paths
def test_what_was_attached_before_is_kept(begun: Begun) -> None:
    world = World()
    world.roles.role = replace(ROLE, attached=(RECEIVE,))
    run = begun(world)
    run.state = replace(run.state, diagnosis=diagnosed(world.roles.role))
    assert run.capture(5).kept == (RECEIVE,)


@both_paths
def test_another_incidents_grant_is_no_part_of_the_roles_state(begun: Begun) -> None:
    world = World()
    another_grant(world, "another", BACKEND)
    run = begun(world)
    run.state = replace(run.state, diagnosis=replace(diagnosed(world.roles.role), granted=(RECEIVE,)))
    mark = run.capture(5)
    assert (mark.kept, mark.sha256) == ((), fingerprint(facts(ROLE, RUNNING)))
    assert baseline(world).granted == (RECEIVE,)


@both_paths
def test_what_was_deployed_since_the_diagnosis_needs_a_new_one(begun: Begun) -> None:
    world = World()
    run = begun(world)
    world.services.somebody_deploys(NEWER_DEFINITION)
    with pytest.raises(AccountMoved, match="was deployed since the diagnosis"):
        run.capture(5)
    assert world.journal.baselines == {}


@both_paths
def test_what_was_attached_since_the_diagnosis_needs_a_new_one(begun: Begun) -> None:
    world = World()
    run = begun(world)
    world.roles.role = replace(ROLE, attached=(SEND,))
    with pytest.raises(AccountMoved, match=SEND):
        run.capture(5)
    assert world.journal.baselines == {}


@both_paths
def test_what_another_run_was_granted_since_the_diagnosis_needs_none(begun: Begun) -> None:
    world = World()
    run = begun(world)
    another_grant(world, "another", BACKEND, SEND)
    assert run.capture(5).next == "ATTACH"
    assert baseline(world).granted == (SEND,)


@both_paths
def test_a_service_that_is_gone_has_no_baseline(begun: Begun) -> None:
    world = World()
    run = begun(world)
    world.services.state = None
    with pytest.raises(ServiceGone):
        run.capture(5)
    assert world.journal.baselines == {}


@both_paths
def test_a_role_that_is_gone_has_no_baseline(begun: Begun) -> None:
    world = World()
    run = begun(world)
    world.roles.gone = True
    with pytest.raises(RoleGone, match="retainwise-ecs-task-role is gone"):
        run.capture(5)
    assert world.journal.baselines == {}


# The brief path: what the undo acts on is read again, the rest is Diagnose's.
def test_a_containment_that_waited_for_nobody_reads_attachments_and_service_again() -> None:
    assert reads(World()) == BRIEFLY


def test_its_queues_are_as_they_were_diagnosed() -> None:
    world = World()
    world.queues.visible = 99
    mark = captured(world, replace(FOUND, depths=Depths(14, 1, 90.0)))
    assert (mark.backlog, mark.dead_letters, mark.seconds_to_dead_letter) == (14, 1, 90.0)


@pytest.mark.parametrize(
    "changed",
    [{"inline": {}}, {"boundary": SEND}, {"tags": {"Environment": "test"}}, {"trust": {}}],
    ids=lambda changed: next(iter(changed)),
)
def test_the_rest_of_the_role_is_as_it_was_diagnosed(changed: dict[str, Any]) -> None:
    world = World()
    world.roles.role = replace(ROLE, **changed)
    assert captured(world).next == "ATTACH"
    assert baseline(world).role == ROLE


def test_lease_and_baseline_are_written_together_or_not_at_all() -> None:
    world = World()
    leased(world)
    assert captured(world).next == "WAIT"
    assert (world.journal.baselines, world.leases.held[RESOURCE].owner) == ({}, "another")


# `untouched_since` is 1,660 seconds before the diagnosis, which was made at 1 s.
@pytest.mark.parametrize(("released", "expected"), [(-1660, BRIEFLY), (-1659, BOTH), (0, BOTH)])
def test_a_role_that_another_run_has_released_lately_is_read_whole(
    released: float, expected: list[str]
) -> None:
    world = World()
    leased(world, taken=released, ends=released)
    assert reads(world) == expected


def test_a_role_whose_last_lease_ran_out_without_a_release_is_not() -> None:
    world = World()
    leased(world, taken=-40_000, ends=-3_000)
    assert reads(world) == BRIEFLY


def test_a_role_that_this_run_itself_has_had_lately_is_read_whole() -> None:
    world = World()
    leased(world, INCIDENT, taken=-20)
    assert reads(world) == BOTH


# A containment that has waited, a cure, an expiry and an approved plan have been diagnosed too long ago.
def test_a_containment_that_has_waited_for_its_role_is_read_whole() -> None:
    world = World()
    assert reads(world, waited(world), 5) == WHOLLY


def test_a_plan_that_a_person_approved_is_read_whole() -> None:
    world = World()
    run = Run(world, diagnosis=replace(FOUND, next="ASK"))
    run.approve()
    assert reads(world, run) == WHOLLY


def edited(world: World) -> None:
    """A new default version, and back to the first one with other text is no less another text."""
    world.roles.documents[RECEIVE] = {"Version": "2012-10-17", "Statement": []}


def made_again(world: World) -> None:
    """Deleted and created with the same text: v1 of the same ARN, and somebody else's policy."""
    world.roles.ids[RECEIVE] = "ANPAMADEAGAIN"


def in_another_version(world: World) -> None:
    world.roles.version = "v2"


def deleted(world: World) -> None:
    world.roles.nonexistent = (RECEIVE,)


another_text = pytest.mark.parametrize("change", [edited, made_again, in_another_version, deleted])


@another_text
@pytest.mark.parametrize("incident", [INCIDENT_OF_WORKER, CURE], ids=["contain", "cure"])
def test_a_policy_of_the_plan_with_another_text_needs_a_new_plan(
    incident: Incident, change: Callable[[World], None]
) -> None:
    """Whether a person was asked or not: nothing is attached, and no role relied on, but what was read."""
    world = World() if incident is INCIDENT_OF_WORKER else granted()
    run = waited(world) if incident is INCIDENT_OF_WORKER else Run(world, incident)
    if incident is CURE:
        run.diagnose(LATER)
    change(world)
    with pytest.raises(AccountMoved, match=RECEIVE):
        run.capture(LATER + 5)
    assert incident.id not in world.journal.baselines


@another_text
def test_a_plan_that_a_person_approved_is_of_one_text(change: Callable[[World], None]) -> None:
    world = World()
    change(world)
    with pytest.raises(AccountMoved, match=RECEIVE):
        captured(world, replace(FOUND, next="ASK"))


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expiry"])
@pytest.mark.parametrize(
    "text", [None, "{", text_of(replace(ENTRY, task_role=BACKEND_ROLE))], ids=["gone", "broken", "other"]
)
def test_another_catalogue_entry_needs_a_new_plan(incident: Incident, text: str | None) -> None:
    world = granted()
    run = Run(world, incident)
    run.diagnose(LATER)
    world.catalogue.parameters.pop(WORKER)
    world.catalogue.parameters.update({WORKER: text} if text else {})
    with pytest.raises(AccountMoved, match="the catalogue entry"):
        run.capture(LATER + 1)
    assert incident.id not in world.journal.baselines


@pytest.mark.parametrize("role", [OLD_ROLE, WORKER_ROLE])
def test_a_role_that_was_deleted_and_made_again_needs_a_new_plan(role: str) -> None:
    world = granted()
    run = Run(world, CURE)
    run.diagnose(LATER)
    if role == OLD_ROLE:
        world.roles.role = replace(world.roles.role, id="AROAMADEAGAIN")
    else:
        world.roles.others[role] = replace(world.roles.others[role], id="AROAMADEAGAIN")
    with pytest.raises(AccountMoved):
        run.capture(LATER + 1)


def test_a_diagnosis_of_an_earlier_version_of_regrant_needs_a_new_one() -> None:
    """An execution that waited for a person through an update has no marks of its policies."""
    assert FOUND.planned_against is not None
    unmarked = replace(FOUND.planned_against, policies={}, entry=None)
    with pytest.raises(AccountMoved):
        captured(World(), replace(FOUND, next="ASK", planned_against=unmarked))


@pytest.mark.parametrize(("incident", "seconds"), [(CURE, LATER), (EXPIRY, DAY)], ids=["cure", "expiry"])
def test_a_cure_and_an_expiry_are_read_whole(incident: Any, seconds: float) -> None:
    world = granted()
    run = Run(world, incident)
    run.diagnose(seconds)
    made = Reads(world)
    run.capture(seconds + 1)
    # A cure reads its new role, too.
    assert sorted(made) == sorted(WHOLLY if incident is EXPIRY else [*WHOLLY, "read"])


@pytest.mark.parametrize(
    ("incident", "then"), [(CURE, "DEPLOY"), (EXPIRY, "WITHDRAW")], ids=["cure", "expiry"]
)
def test_the_word_says_what_the_plan_changes_first(incident: Any, then: str) -> None:
    run = Run(granted(), incident)
    run.diagnose(LATER)
    assert run.capture(LATER + 1).next == then


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expiry"])
def test_a_grant_that_is_to_be_withdrawn_is_part_of_the_role_and_no_new_one_ends(incident: Any) -> None:
    world = granted()
    run = Run(world, incident)
    run.diagnose(LATER)
    mark = run.capture(LATER + 1)
    assert (baseline(world, incident.id).role.attached, baseline(world, incident.id).granted) == (
        (RECEIVE,),
        (),
    )
    assert mark.grant_ends_at is None


def test_an_expiry_of_a_service_that_is_gone_has_a_baseline() -> None:
    world = granted()
    world.services.state = None
    run = Run(world, EXPIRY)
    run.diagnose(DAY)
    mark = run.capture(DAY + 1)
    assert (mark.next, mark.primary_deployment, mark.task_definition) == ("WITHDRAW", "", "")
    assert baseline(world, EXPIRY.id).service is None


def test_the_queues_of_a_run_that_reads_whole_are_as_they_are_now() -> None:
    world = World()
    run = waited(world)
    world.queues.visible, world.queues.dead = 14, 1
    mark = run.capture(5)
    assert (mark.backlog, mark.dead_letters) == (14, 1)


def test_a_queue_that_is_gone_by_then_ends_the_run_before_it_changes_anything() -> None:
    world = World()
    run = waited(world)
    world.queues.nonexistent = (QUEUE,)
    with pytest.raises(AwsRefused, match=QUEUE):
        run.capture(5)
    assert run.world.journal.baselines == {}


def test_a_service_that_is_not_enrolled_any_more_has_no_depths() -> None:
    world = granted()
    run = Run(world, replace(EXPIRY, entry=None))
    run.diagnose(DAY)
    assert run.capture(DAY + 1).backlog is None


# A step that is tried again, because nobody heard of its first try.
@pytest.mark.parametrize("begun", [immediately, waited], ids=["brief", "whole"])
def test_a_second_try_keeps_the_first_baseline(begun: Begun) -> None:
    world = World()
    run = begun(world)
    before = run.state
    first = run.capture(5)
    run.state = before
    second = run.capture(9)
    assert (second, baseline(world).captured_at) == (first, at(5))


def test_a_second_try_reads_whole_since_anything_may_have_happened_after_the_first() -> None:
    world = World()
    captured(world)
    assert reads(world, seconds=9) == BOTH


def test_a_second_try_that_finds_the_account_changed_needs_a_new_plan() -> None:
    world = World()
    captured(world)
    world.roles.role = replace(ROLE, tags={"Environment": "test"})
    with pytest.raises(AccountMoved, match="the role itself"):
        captured(world, seconds=9)


def test_the_first_baseline_stands_for_the_new_plan_too() -> None:
    world = World()
    captured(world)
    world.roles.role = replace(ROLE, tags={"Environment": "test"})
    mark = captured(world, replace(diagnosed(world.roles.role), at=at(10)), 11)
    assert (mark.at, mark.sha256) == (at(2), fingerprint(facts(ROLE, RUNNING)))


@pytest.mark.parametrize("begun", [immediately, waited], ids=["brief", "whole"])
def test_a_run_that_has_the_name_of_an_earlier_one_does_not_go_by_its_baseline(begun: Begun) -> None:
    """Step Functions lets another run have a name 90 days after the end of the first."""
    world = World()
    run = begun(world)
    long_ago = Baseline(str(WORKER), ROLE, RUNNING, at(-91 * DAY))
    world.journal.keep_baseline(INCIDENT, long_ago)
    with pytest.raises(NotOfThisRun, match="under a new name"):
        run.capture(5)
    assert baseline(world) == long_ago and world.changes() == []


# While another run changes the role.
def test_while_another_run_changes_the_role_nothing_is_recorded() -> None:
    world = World()
    leased(world)
    mark = captured(world)
    assert (mark.next, mark.holder, mark.since, mark.checks) == ("WAIT", "another", at(2), 1)
    assert (mark.sha256, world.journal.baselines) == (None, {})


def test_the_first_wait_has_the_count_that_decide_change_compares() -> None:
    world = World()
    leased(world)
    assert msgspec.to_builtins(captured(world))["checks"] == 1


def test_a_run_that_waits_reads_nothing_before_the_role_is_its_own() -> None:
    world = World()
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    assert reads(world, run, 5) == []


def test_each_look_counts_and_the_wait_has_one_beginning() -> None:
    world = World()
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    run.capture(5)
    mark = run.capture(8)
    assert (mark.next, mark.checks, mark.since) == ("WAIT", 3, at(2))


@pytest.mark.parametrize(
    ("seconds", "then"),
    [(ROLE_WAIT_LIMIT - 1, "WAIT"), (ROLE_WAIT_LIMIT, "CLOSE"), (ROLE_WAIT_LIMIT + 90, "CLOSE")],
)
def test_a_run_waits_for_ten_minutes_however_often_it_has_looked(seconds: float, then: str) -> None:
    world = World()
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    assert run.capture(2 + seconds).next == then


def test_a_role_that_stays_taken_is_refused_with_the_run_that_has_it() -> None:
    world = World()
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    refusal = run.capture(2 + ROLE_WAIT_LIMIT).refusal
    assert refusal is not None and refusal.code == "ROLE_BUSY"
    assert "Run another has been changing retainwise-ecs-task-role" in refusal.message
    assert world.journal.baselines == {}


def test_the_refusal_of_a_busy_role_is_the_runs() -> None:
    world = World()
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    run.capture(2 + ROLE_WAIT_LIMIT)
    assert run.state.refusal is not None and run.state.refusal.code == "ROLE_BUSY"


def test_a_new_diagnosis_begins_a_new_wait() -> None:
    world = World()
    run = Run(world, diagnosis=FOUND)
    leased(world)
    run.capture(2)
    run.state = replace(run.state, diagnosis=replace(FOUND, at=at(500)))
    mark = run.capture(2 + ROLE_WAIT_LIMIT)
    assert (mark.next, mark.checks, mark.since) == ("WAIT", 1, at(2 + ROLE_WAIT_LIMIT))


def test_after_a_new_diagnosis_the_earlier_wait_is_no_reason_to_read_whole() -> None:
    world = World()
    run = waited(world)
    run.state = replace(run.state, diagnosis=replace(FOUND, at=at(500)))
    assert reads(world, run, 501) == BRIEFLY


@pytest.mark.parametrize("incident", [CURE, EXPIRY], ids=["cure", "expiry"])
def test_a_cure_and_an_expiry_wait_for_the_role_as_well(incident: Any) -> None:
    world = granted()
    run = Run(world, incident)
    run.diagnose(LATER)
    leased(world)
    assert (run.capture(LATER + 1).next, run.capture(LATER + 1 + ROLE_WAIT_LIMIT).next) == ("WAIT", "CLOSE")


def test_the_role_of_a_run_that_ended_more_than_a_minute_ago_is_taken_over_and_read_whole() -> None:
    world = World()
    leased(world)
    world.executions.ended["another"] = at(-70)
    assert reads(world) == BOTH
    assert world.leases.held[RESOURCE].owner == INCIDENT


def test_a_hold_of_this_incident_is_no_grant_of_others() -> None:
    world = World()
    run = waited(world)
    world.holds.write(OLD_ROLE, Hold(SEND, INCIDENT, "retainwise-cluster/retainwise-worker"))
    run.capture(5)
    assert baseline(world).granted == ()


def test_a_role_that_needs_a_new_plan_is_given_back() -> None:
    """The new plan may be of another role, and a person may be asked about it for an hour."""
    world = World()
    run = waited(world)
    world.roles.role = replace(ROLE, tags={"seen-by": "a colleague"})
    with pytest.raises(AccountMoved):
        run.capture(5)
    assert world.leases.held[RESOURCE].ends_at == at(5)


def moved_to_backend_role(world: World) -> Diagnosis:
    """What a later diagnosis says of the service, which runs with that role now."""
    world.roles.others[BACKEND_ROLE] = role = replace(ROLE, arn=BACKEND_ROLE)
    found = diagnosed(role, task_definition=DEFINITION)
    assert found.plan is not None
    return replace(found, at=at(9), plan=replace(found.plan, role=BACKEND_ROLE))


def test_a_baseline_of_a_role_that_the_plan_has_left_is_replaced() -> None:
    """A try that died after it had written the baseline; then the service was moved to another role."""
    world = World()
    waited(world).capture(5)
    mark = Run(world, diagnosis=moved_to_backend_role(world)).capture(10)
    assert baseline(world).role.arn == BACKEND_ROLE
    assert mark.sha256 == fingerprint(facts(baseline(world).role, RUNNING))


def test_a_baseline_of_another_role_on_which_something_was_changed_stays() -> None:
    world = World()
    run = waited(world)
    run.capture(5)
    run.attach(6)
    with pytest.raises(AccountMoved, match="another role"):
        Run(world, diagnosis=moved_to_backend_role(world)).capture(10)
    assert baseline(world).role.arn == OLD_ROLE


def test_where_nothing_is_to_be_proved_a_queue_that_is_gone_hinders_no_expiry() -> None:
    world = granted()
    world.services.state = None
    run = Run(world, EXPIRY)
    run.diagnose(DAY)
    world.queues.nonexistent = (QUEUE,)
    assert run.capture(DAY + 1).next == "WITHDRAW"
