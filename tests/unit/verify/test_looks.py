"""How a run goes on after each look, and looks that AWS did not answer."""

from __future__ import annotations

from typing import Any, Literal, NoReturn

import pytest
from msgspec.structs import replace

from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.results import Grant, Health, Rollout, Verdict, Withdrawal
from regrant.model.run import Incident, Plan, RunState
from regrant.verify.watch import LIMIT, decide, watch_of
from tests.unit.cure import CURE, EXPIRY
from tests.unit.fakes import (
    CONTAIN,
    DEFINITION,
    DENIAL,
    ENTRY,
    INCIDENT_OF_WORKER,
    NEWER_DEFINITION,
    OLD_ROLE,
    PLAN,
    RECEIVE,
    SUCCESS,
    WORKER_ROLE,
    World,
    at,
)
from tests.unit.run import Run
from tests.unit.watch import Unread, Watch

Next = Literal["CLOSE", "WITHDRAW", "REDEPLOY", "UNDO", "WAIT"]

IF_NEEDED = replace(PLAN, redeploy=False, redeploy_if_needed=True)
NEVER = replace(PLAN, redeploy=False)
MOVE = Plan(OLD_ROLE, (), True, DEFINITION, WORKER_ROLE, (RECEIVE,))
LEFTOVERS = Plan(OLD_ROLE, (), False, DEFINITION, None, (RECEIVE,))

ROLLOUT = Rollout("ecs-svc/42", at(5))
MOVED = replace(ROLLOUT, revision=NEWER_DEFINITION)
WITHDRAWN = Withdrawal("WATCH", 1, at(300), (RECEIVE,))
WAITED = Withdrawal("WAIT", 1, at(300))


def after(
    verdict: Verdict,
    incident: Incident,
    plan: Plan,
    rollout: Rollout | None = None,
    withdrawal: Withdrawal | None = None,
    *,
    replace_tasks: bool = False,
) -> Next:
    """The word for DecideHealth after a look with that verdict, in such a run."""
    grant = Grant(OLD_ROLE, (RECEIVE,), at(3)) if plan.attach else None
    diagnosis = replace(CONTAIN, plan=plan)
    state = RunState(incident, diagnosis, grant=grant, rollout=rollout, withdrawal=withdrawal)
    now = at(320 if withdrawal else 24)
    look = Health(verdict, now, replace_tasks=replace_tasks, deployed_at=now if rollout else None)
    return decide(look, watch_of(state, now), state, now).next


@pytest.mark.parametrize(
    ("incident", "plan", "rollout", "withdrawal", "word"),
    [
        (INCIDENT_OF_WORKER, PLAN, ROLLOUT, None, "CLOSE"),
        (INCIDENT_OF_WORKER, NEVER, None, None, "CLOSE"),
        (INCIDENT_OF_WORKER, IF_NEEDED, None, None, "CLOSE"),
        (INCIDENT_OF_WORKER, IF_NEEDED, ROLLOUT, None, "CLOSE"),
        (CURE, MOVE, MOVED, None, "WITHDRAW"),
        (CURE, MOVE, MOVED, WITHDRAWN, "CLOSE"),
        (CURE, LEFTOVERS, None, WITHDRAWN, "CLOSE"),
        (EXPIRY, LEFTOVERS, None, WITHDRAWN, "CLOSE"),
    ],
    ids=[
        "contain, always",
        "contain, never",
        "contain, if needed",
        "contain, it was needed",
        "cure, first proof",
        "cure, second proof",
        "cure, leftovers",
        "expire",
    ],
)
def test_a_proof_closes_the_run_or_lets_a_cure_withdraw(
    incident: Incident, plan: Plan, rollout: Rollout | None, withdrawal: Withdrawal | None, word: Next
) -> None:
    assert after("HEALTHY", incident, plan, rollout, withdrawal) == word


@pytest.mark.parametrize("replace_tasks", [True, False])
@pytest.mark.parametrize(
    ("incident", "plan", "rollout", "withdrawal"),
    [
        (INCIDENT_OF_WORKER, PLAN, ROLLOUT, None),
        (INCIDENT_OF_WORKER, NEVER, None, None),
        (INCIDENT_OF_WORKER, IF_NEEDED, ROLLOUT, None),
        (CURE, MOVE, MOVED, None),
        (CURE, MOVE, MOVED, WITHDRAWN),
        (CURE, LEFTOVERS, None, WITHDRAWN),
        (EXPIRY, LEFTOVERS, None, WITHDRAWN),
    ],
    ids=[
        "contain, always",
        "contain, never",
        "contain, tasks replaced already",
        "cure, first proof",
        "cure, second proof",
        "cure, leftovers",
        "expire",
    ],
)
def test_what_is_disproved_is_undone(
    incident: Incident,
    plan: Plan,
    rollout: Rollout | None,
    withdrawal: Withdrawal | None,
    replace_tasks: bool,
) -> None:
    assert after("UNHEALTHY", incident, plan, rollout, withdrawal, replace_tasks=replace_tasks) == "UNDO"


@pytest.mark.parametrize(("replace_tasks", "word"), [(True, "REDEPLOY"), (False, "UNDO")])
def test_old_tasks_are_replaced_once_where_new_ones_may_do_better(replace_tasks: bool, word: Next) -> None:
    assert after("UNHEALTHY", INCIDENT_OF_WORKER, IF_NEEDED, replace_tasks=replace_tasks) == word


@pytest.mark.parametrize(
    ("incident", "plan", "rollout", "withdrawal"),
    [
        (INCIDENT_OF_WORKER, PLAN, ROLLOUT, None),
        (INCIDENT_OF_WORKER, IF_NEEDED, None, None),
        (CURE, MOVE, MOVED, None),
        (CURE, MOVE, MOVED, WITHDRAWN),
        (EXPIRY, LEFTOVERS, None, WITHDRAWN),
    ],
)
def test_what_is_neither_is_looked_at_again(
    incident: Incident, plan: Plan, rollout: Rollout | None, withdrawal: Withdrawal | None
) -> None:
    assert after("PENDING", incident, plan, rollout, withdrawal) == "WAIT"


def test_what_is_not_proved_in_time_is_undone() -> None:
    watch = Watch()
    watch.look()
    watch.seconds += 590
    assert watch.look().next == "WAIT"
    assert watch.look().next == "UNDO"


@pytest.mark.parametrize("before", [Health("HEALTHY", at(240), checks=9, samples=3, streak=3), None])
def test_while_another_run_has_the_role_the_withdrawal_is_asked_for_again_without_a_sample(
    before: Health | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(World(), CURE, replace(CONTAIN, plan=MOVE))
    run.state = replace(run.state, rollout=MOVED, health=before, withdrawal=WAITED)
    for port in ("services", "roles", "logs", "queues"):
        monkeypatch.setattr(run.world, port, Unread())
    health = run.verify(320)
    assert (health.next, health.at) == ("WITHDRAW", at(320))
    assert health.samples == (before.samples if before else 0)


def test_waiting_for_the_role_does_not_end_the_proof_that_was_had() -> None:
    run = Run(World(), CURE, replace(CONTAIN, plan=MOVE))
    before = Health("HEALTHY", at(240), checks=9, samples=3, streak=3, proof=SUCCESS, deployed_at=at(150))
    run.state = replace(run.state, rollout=MOVED, health=before, withdrawal=WAITED)
    assert run.verify(320) == replace(before, at=at(320), next="WITHDRAW", wait=10)


def test_looks_are_counted_for_the_whole_run_and_samples_for_each_watch() -> None:
    watch = Watch(if_needed=True)
    counts = [(watch.look().checks, watch.health.samples) for _ in range(2)]
    watch.deploy(watch.seconds)
    counts.append((watch.look().checks, watch.health.samples))
    watch.world.services.finish()
    counts += [(watch.look().checks, watch.health.samples) for _ in range(2)]
    assert counts == [(1, 1), (2, 2), (3, 0), (4, 1), (5, 2)]


def test_the_looks_of_the_first_proof_count_in_the_second() -> None:
    watch = Watch()
    watch.look()
    watch.look()
    entry = watch.state.incident
    watch.run.state = replace(watch.state, incident=replace(entry, mode="cure"))
    watch.run.state = replace(watch.state, withdrawal=replace(WAITED, at=at(watch.seconds)))
    watch.look()
    watch.run.state = replace(watch.state, withdrawal=replace(WITHDRAWN, at=at(watch.seconds)))
    health = watch.look()
    assert (health.checks, health.samples) == (3, 1)  # the wait for the role was no look


# What a look asks for: an attribute of the account, and its method.
READS = [
    ("services", "describe"),
    ("services", "task_ids"),
    ("services", "stopped_tasks"),
    ("roles", "attached"),
    ("logs", "search_tasks"),
    ("queues", "depth"),
]


class Failing:
    """A port of which one method fails."""

    def __init__(self, port: Any, method: str, error: Exception) -> None:
        self._port, self._method, self._error = port, method, error

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method else getattr(self._port, name)

    def _fail(self, *args: Any) -> NoReturn:
        raise self._error


def look_unanswered(
    watch: Watch, port: str = "logs", method: str = "search_tasks", after: float = 20
) -> Health:
    """A look in which AWS throttles that call."""
    heard, throttled = getattr(watch.world, port), AwsUnavailable("ThrottlingException: Rate exceeded")
    setattr(watch.world, port, Failing(heard, method, throttled))
    health = watch.look(after=after)
    setattr(watch.world, port, heard)
    return health


@pytest.mark.parametrize(("port", "method"), READS)
def test_an_unanswered_look_neither_counts_nor_ends_the_row(port: str, method: str) -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.look()
    unseen = look_unanswered(watch, port, method)
    assert (unseen.verdict, unseen.next, unseen.streak, unseen.samples) == ("PENDING", "WAIT", 2, 2)
    assert watch.look().next == "CLOSE"


def test_an_unanswered_look_says_why() -> None:
    watch = Watch()
    assert look_unanswered(watch).evidence == ("AWS could not be asked: ThrottlingException: Rate exceeded",)


def test_an_unanswered_look_is_counted() -> None:
    watch = Watch()
    watch.look()
    assert look_unanswered(watch).checks == 2


def test_a_denial_of_the_time_of_an_unanswered_look_is_seen_by_the_next() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.log(DENIAL)
    look_unanswered(watch)
    look_unanswered(watch)
    look_unanswered(watch)
    watch.look()
    assert "denied calls" in watch.health.evidence[0]


def test_the_first_look_may_go_unanswered() -> None:
    watch = Watch()
    unseen = look_unanswered(watch, "services", "describe")
    assert (unseen.verdict, unseen.streak, unseen.deployed_at) == ("PENDING", 0, None)
    watch.log(SUCCESS)
    assert watch.look().streak == 1


def test_a_rollout_that_was_seen_finished_is_so_although_the_log_was_not_read() -> None:
    watch = Watch()
    assert look_unanswered(watch).deployed_at == at(watch.seconds)


def test_dead_letters_that_grew_before_and_after_an_unanswered_look_grew_twice_in_a_row() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.queues.dead = 5
    watch.look()
    look_unanswered(watch)
    watch.world.queues.dead = 6
    assert watch.look().verdict == "UNHEALTHY"


def test_the_time_that_a_proof_may_take_ends_unanswered_looks_too() -> None:
    watch = Watch()
    watch.look()
    watch.seconds += 589
    assert look_unanswered(watch).next == "WAIT"
    late = look_unanswered(watch, after=21)
    assert (late.verdict, late.next, late.evidence[-1]) == (
        "UNHEALTHY",
        "UNDO",
        "Not proved after 10.5 minutes.",
    )


def test_the_time_that_a_rollout_may_take_ends_unanswered_looks_too() -> None:
    watch = Watch(if_needed=True)
    watch.deploy(5)
    assert look_unanswered(watch, "services", "describe", after=1799).next == "WAIT"
    late = look_unanswered(watch, "services", "describe", after=1)
    assert (late.next, late.evidence[-1]) == ("UNDO", "Not finished after 30 minutes.")


def test_tasks_that_could_not_be_looked_at_are_not_replaced_as_soon_as_those_that_were_seen_to_fail() -> None:
    watch = Watch(entry=ENTRY, if_needed=True)
    assert [look_unanswered(watch).next for _ in range(6)] == ["WAIT"] * 6
    watch.seconds += LIMIT
    assert look_unanswered(watch).next == "REDEPLOY"


def test_what_aws_refuses_fails_the_step() -> None:
    watch = Watch()
    watch.world.logs = Failing(watch.world.logs, "search_tasks", AwsRefused("AccessDenied"))  # type: ignore[assignment]
    with pytest.raises(AwsRefused):
        watch.look()
