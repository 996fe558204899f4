"""What has to be proved, and by when: after a grant, after a new revision, and after a withdrawal."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from regrant.model.aws import name_of
from regrant.model.results import PAUSE, BaselineMark, Grant, Health, Rollout, Withdrawal
from regrant.model.run import Diagnosis, Plan, RunState
from regrant.verify.health import PROPAGATION
from regrant.verify.watch import BRIEF, LIMIT, TWO_SAMPLES, watch_of
from tests.unit.cure import CURE, EXPIRY, NEW_ROLE, ready
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    DENIAL,
    ENTRY,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    ROUTE,
    RUNNING,
    SUCCESS,
    WORKER_ROLE,
    at,
    diagnosed,
)
from tests.unit.run import Run
from tests.unit.watch import Watch

CURING = Diagnosis(
    "CHANGE", at(0), plan=Plan(OLD_ROLE, (), True, DEFINITION, WORKER_ROLE, (RECEIVE,)), logs=(ROUTE,)
)
LEFT = Diagnosis("CHANGE", at(0), plan=Plan(OLD_ROLE, (), False, DEFINITION, None, (RECEIVE,)), logs=(ROUTE,))
GRANT = Grant(OLD_ROLE, (RECEIVE,), at(3))
ROLLOUT = Rollout("ecs-svc/42", at(5))
OF_REVISION = replace(ROLLOUT, revision=NEWER_DEFINITION)
MARK = BaselineMark("ATTACH", at(2), primary_deployment=OLD_DEPLOYMENT, task_definition=DEFINITION)
GONE = Withdrawal("WATCH", 1, at(300), (RECEIVE,))
FIRST_PROOF = Health("HEALTHY", at(240), samples=3, streak=3, needed=3, deployed_at=at(150))


def contained(plan: Diagnosis = CONTAIN, **more: Any) -> RunState:
    return replace(RunState(INCIDENT_OF_WORKER, plan, MARK, GRANT), **more)


def cured(**more: Any) -> RunState:
    return replace(RunState(CURE, CURING, MARK, rollout=OF_REVISION), **more)


def test_a_containment_is_watched_from_its_deployment() -> None:
    watch = watch_of(contained(rollout=ROLLOUT), at(25))
    assert (watch.since, watch.limit, watch.previous) == (at(5), LIMIT, None)
    assert (watch.after_withdrawal, watch.replaces_tasks) == (False, False)


def test_a_grant_that_iam_was_slow_to_show_counts_from_the_deployment_that_followed() -> None:
    watch = watch_of(contained(rollout=replace(ROLLOUT, at=at(120))), at(140))
    assert watch.grant == replace(GRANT, at=at(120))


def test_a_containment_that_replaced_no_tasks_is_watched_from_its_grant() -> None:
    plan = diagnosed(redeploy=False)
    watch = watch_of(contained(plan), at(3 + PAUSE))
    assert (watch.grant, watch.since) == (GRANT, at(3))


def test_without_a_deployment_a_grant_counts_from_the_pause_before_the_first_look() -> None:
    plan = diagnosed(redeploy=False)
    watch = watch_of(contained(plan), at(130))
    assert (watch.grant.at, watch.since) == (at(130 - PAUSE), at(130 - PAUSE))


@pytest.mark.parametrize("rollout", [None, ROLLOUT])
def test_when_iam_showed_the_grant_is_remembered(rollout: Rollout | None) -> None:
    health = Health("PENDING", at(44), shown_at=at(4))
    assert watch_of(contained(rollout=rollout, health=health), at(64)).grant.at == at(4)


def test_new_tasks_do_not_make_the_grant_new() -> None:
    watch = Watch(if_needed=True)
    watch.look()
    watch.deploy(130)
    watch.world.services.finish()
    assert watch.look_denied(DENIAL).verdict == "UNHEALTHY"


def test_the_samples_of_old_tasks_prove_nothing_of_new_ones() -> None:
    before = replace(FIRST_PROOF, at=at(4))
    assert watch_of(contained(rollout=ROLLOUT, health=before), at(25)).previous is None


def test_the_first_proof_of_a_cure_is_of_the_declared_role_with_the_declared_policies() -> None:
    watch = watch_of(cured(), at(25))
    assert watch.grant == Grant(WORKER_ROLE, ENTRY.policies, at(5))
    assert (watch.since, watch.after_withdrawal) == (at(5), False)


def test_a_withdrawal_that_waits_for_the_role_changes_nothing_of_the_first_proof() -> None:
    withdrawal = Withdrawal("WAIT", 1, at(250))
    health = Run(ready(), CURE)
    health.state = cured(health=FIRST_PROOF, withdrawal=withdrawal)
    assert health.verify(270).streak == FIRST_PROOF.streak


def test_the_second_proof_of_a_cure_starts_when_the_grant_is_gone() -> None:
    watch = watch_of(cured(health=FIRST_PROOF, withdrawal=GONE), at(320))
    assert (watch.since, watch.after_withdrawal) == (at(300), True)
    assert (watch.grant.role, watch.rollout) == (WORKER_ROLE, OF_REVISION)


def test_of_the_first_proof_the_second_keeps_only_that_our_deployment_was_completed() -> None:
    watch = watch_of(cured(health=FIRST_PROOF, withdrawal=GONE), at(320))
    assert watch.previous == Health("PENDING", at(320), deployed_at=at(150))


def test_the_second_proof_goes_on_from_its_own_samples() -> None:
    second = replace(FIRST_PROOF, at=at(320), streak=1)
    assert watch_of(cured(health=second, withdrawal=GONE), at(340)).previous == second


@pytest.mark.parametrize(
    ("state", "role"),
    [
        (contained(), OLD_ROLE),
        (cured(), WORKER_ROLE),
        (cured(health=FIRST_PROOF, withdrawal=GONE), WORKER_ROLE),
        (RunState(CURE, LEFT, MARK, withdrawal=GONE), WORKER_ROLE),
        (RunState(EXPIRY, LEFT, MARK, withdrawal=GONE), OLD_ROLE),
    ],
    ids=["contain", "cure, first proof", "cure, second proof", "cure, leftovers", "expire"],
)
def test_the_denials_that_count_are_those_of_the_role_that_the_tasks_run_with(
    state: RunState, role: str
) -> None:
    assert watch_of(state, at(320)).role == role


@pytest.mark.parametrize("incident", [CURE, EXPIRY])
def test_without_a_new_revision_the_service_is_watched_as_it_is(incident: Any) -> None:
    watch = watch_of(RunState(incident, LEFT, MARK, withdrawal=GONE), at(320))
    assert (watch.grant, watch.rollout) == (Grant(OLD_ROLE, (), at(300)), None)
    assert (watch.since, watch.after_withdrawal, watch.previous) == (at(300), True, None)


class Trial:
    """The worker after its grant was taken off at 300, looked at every 20 seconds."""

    def __init__(self, samples: int = 3) -> None:
        self.world = ready()
        self.world.roles.others[WORKER_ROLE] = NEW_ROLE
        self.world.services.state = replace(RUNNING, deployments=(replace(OLD, id=ROLLOUT.deployment),))
        self.world.services.tasks = {ROLLOUT.deployment: ("new-1",)}
        entry = replace(ENTRY, health=replace(ENTRY.health, samples=samples, queue=None))
        self.run = Run(self.world, replace(CURE, entry=entry))
        self.run.state = cured(incident=self.run.state.incident, health=FIRST_PROOF, withdrawal=GONE)
        self.seconds = 300.0

    def look(self, line: str | None = SUCCESS) -> Health:
        if line:
            self.world.logs.write(self.seconds + 1, line)
        self.seconds += 20
        return self.run.verify(self.seconds)

    def watch(self, line: str | None = SUCCESS) -> Health:
        """Look until there is a verdict."""
        health = self.look(line)
        while health.verdict == "PENDING":
            health = self.look(line)
        return health


def test_what_works_while_iam_may_still_allow_the_call_is_no_proof() -> None:
    trial = Trial()
    while trial.seconds < 300 + PROPAGATION - 20:
        health = trial.look()
        assert (health.verdict, health.streak) == ("PENDING", 0)


def test_the_proof_is_had_from_samples_of_after_that() -> None:
    trial = Trial()
    health = trial.watch()
    assert (health.verdict, health.streak) == ("HEALTHY", 3)
    assert trial.seconds >= 300 + PROPAGATION + 2 * 20


def test_a_denial_ends_the_trial_also_while_the_change_spreads() -> None:
    trial = Trial()
    trial.look()
    for _ in range(2):
        health = trial.look(DENIAL.replace("retainwise-ecs-task-role", name_of(WORKER_ROLE)))
    assert health.verdict == "UNHEALTHY" and "denied" in health.evidence[0]


def test_a_denial_ends_a_trial_without_a_deployment_too() -> None:
    trial = Trial()
    trial.world.services.state = RUNNING
    trial.world.services.tasks = {None: ("new-1",)}
    incident = replace(EXPIRY, entry=trial.run.state.incident.entry)
    trial.run.state = RunState(incident, LEFT, MARK, withdrawal=GONE)
    assert trial.look(DENIAL).next == "UNDO"


def test_what_worked_while_the_change_spread_is_not_remembered_as_proof() -> None:
    trial = Trial()
    while trial.seconds < 300 + PROPAGATION - 20:
        trial.look()
    assert trial.watch(None).verdict == "UNHEALTHY"


def test_silence_is_no_proof_and_the_trial_ends_after_its_five_minutes() -> None:
    trial = Trial()
    health = trial.watch(None)
    assert health.verdict == "UNHEALTHY" and health.evidence[-1] == "Not proved after 5 minutes."
    assert trial.seconds == 300 + 300


@pytest.mark.parametrize("samples", [1, 3, 14, 20])
def test_a_trial_lasts_for_as_many_samples_as_the_catalogue_asks_for(samples: int) -> None:
    health = Trial(samples).watch()
    assert (health.verdict, health.streak) == ("HEALTHY", samples)


class Brief(Watch):
    """The worker on its old tasks, which are replaced only if they do not recover. Its queue drains."""

    def __init__(self, samples: int = 3, seconds_to_dead_letter: float | None = None) -> None:
        entry = replace(ENTRY, health=replace(ENTRY.health, samples=samples))
        super().__init__(entry=entry, if_needed=True, seconds_to_dead_letter=seconds_to_dead_letter)

    def step(self, line: str | None = SUCCESS) -> Health:
        if line:
            self.log(line, "old-1")
        return self.look()

    def watch(self, line: str | None = SUCCESS) -> Health:
        """Look until there is a verdict."""
        health = self.step(line)
        while health.verdict == "PENDING":
            health = self.step(line)
        return health


def test_tasks_that_recover_are_not_replaced() -> None:
    brief = Brief()
    health = brief.watch()
    assert (health.verdict, health.next, brief.seconds) == ("HEALTHY", "CLOSE", 64)


def test_tasks_that_do_not_recover_in_two_minutes_are_replaced() -> None:
    brief = Brief()
    health = brief.watch(None)
    assert (health.verdict, health.next) == ("UNHEALTHY", "REDEPLOY")
    assert health.evidence[-1] == "Not proved after 2 minutes."
    assert brief.seconds == 4 + BRIEF


def test_a_proof_of_many_samples_has_the_time_for_them() -> None:
    brief = Brief(samples=12)
    assert brief.watch().verdict == "HEALTHY"
    assert brief.seconds == 4 + 12 * 20 > 4 + BRIEF


def test_tasks_are_watched_until_a_message_that_always_fails_would_have_shown() -> None:
    brief = Brief(seconds_to_dead_letter=90)
    health = brief.watch()
    assert (health.verdict, brief.seconds) == ("HEALTHY", 144)
    assert brief.seconds >= 4 + 90 + TWO_SAMPLES


def test_a_row_that_was_long_enough_early_is_waited_out_and_says_why() -> None:
    brief = Brief(seconds_to_dead_letter=90)
    health = [brief.step() for _ in range(3)][-1]
    assert (health.verdict, health.next, health.streak) == ("PENDING", "WAIT", 3)
    assert health.evidence[-1] == "Watched for 60 s; a message that always fails shows after 130."


def test_a_queue_that_retries_for_long_is_not_waited_for_longer_than_a_grant_spreads() -> None:
    brief = Brief(seconds_to_dead_letter=7200)
    assert (brief.watch().verdict, brief.seconds) == ("HEALTHY", 4 + BRIEF + TWO_SAMPLES)


def test_messages_that_go_on_to_fail_cost_the_grant_and_not_the_tasks() -> None:
    brief = Brief()
    for dead in (4, 5, 6):
        brief.world.queues.dead = dead
        health = brief.step()
    assert (health.verdict, health.replace_tasks, health.next) == ("UNHEALTHY", False, "UNDO")


def test_tasks_that_died_of_the_denial_are_replaced_without_waiting() -> None:
    brief = Brief()
    brief.world.services.state = replace(RUNNING, deployments=(replace(OLD, failed_tasks=3),))
    health = brief.step()
    assert (health.verdict, health.next) == ("UNHEALTHY", "REDEPLOY")


def test_a_service_without_a_task_is_given_new_ones_without_waiting() -> None:
    brief = Brief()
    brief.world.services.tasks = {}
    health = brief.step()
    assert (health.verdict, health.next) == ("UNHEALTHY", "REDEPLOY")
    assert health.evidence[-1] == "A task is down, so the tasks are replaced without waiting for it."


def test_tasks_that_are_down_after_messages_failed_twice_are_not_replaced() -> None:
    brief = Brief()
    for dead in (4, 5):
        brief.world.queues.dead = dead
        brief.step()
    brief.world.queues.dead, brief.world.services.tasks = 6, {}
    assert brief.step().next == "UNDO"


def test_tasks_that_are_denied_after_the_grant_has_spread_are_replaced() -> None:
    brief = Brief(samples=12)
    brief.step()
    brief.seconds += PROPAGATION
    brief.step(DENIAL)
    health = brief.step(DENIAL)
    assert (health.verdict, health.next) == ("UNHEALTHY", "REDEPLOY")
    assert "denied calls" in health.evidence[0]


def test_without_its_grant_a_service_is_not_given_new_tasks() -> None:
    brief = Brief()
    brief.step()
    brief.world.roles.role, brief.world.services.tasks = ROLE, {}
    assert brief.step().next == "WAIT"
    brief.seconds += PROPAGATION
    assert brief.step().next == "UNDO"


def test_a_grant_that_somebody_took_away_is_not_looked_for_in_new_tasks() -> None:
    brief = Brief()
    brief.step()
    brief.world.roles.role = ROLE
    brief.seconds += PROPAGATION
    health = brief.step()
    assert (health.verdict, health.replace_tasks, health.next) == ("UNHEALTHY", False, "UNDO")
