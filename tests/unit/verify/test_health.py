"""The service works again: positive evidence and no new denial, from the new tasks, N samples in a row."""

from typing import Any

from msgspec.structs import replace

from regrant.denials.search import DENIAL_TERM
from regrant.model.aws import LogLines, LogRoute, StoppedTask
from regrant.model.results import BaselineMark, Grant, Sample, Verdict
from regrant.verify.health import health_of
from tests.unit.fakes import (
    DEFINITION,
    DENIAL,
    ENTRY,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    RUNNING,
    SEND,
    SUCCESS,
    THEIRS,
    at,
)
from tests.unit.watch import Watch


def test_three_good_samples_in_a_row_are_healthy() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    verdicts = [watch.look().verdict for _ in range(3)]
    assert verdicts == ["PENDING", "PENDING", "HEALTHY"]
    assert watch.health.streak == watch.health.needed == 3


def test_the_catalogue_says_how_many_samples() -> None:
    watch = Watch(entry=replace(ENTRY, health=replace(ENTRY.health, samples=1)))
    watch.log(SUCCESS)
    assert watch.look().verdict == "HEALTHY"


def test_silence_proves_nothing() -> None:
    watch = Watch()
    for _ in range(5):
        health = watch.look()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert health.evidence == ("The success line has not been logged yet.",)


def test_a_proof_that_has_not_come_in_ten_minutes_and_a_half_is_not_waited_for() -> None:
    watch = Watch()
    watch.look()  # the deployment is seen completed
    assert watch.look(after=629).verdict == "PENDING"
    health = watch.look(after=1)
    assert health.verdict == "UNHEALTHY" and health.evidence[-1] == "Not proved after 10.5 minutes."


def test_an_old_tasks_success_proves_nothing() -> None:
    watch = Watch()
    watch.log(SUCCESS, "old-1")
    assert watch.look().proof is None


def test_an_old_tasks_last_denial_is_not_held_against_the_fix() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.log(DENIAL, "old-1")
    assert watch.look().streak == 1


def test_the_proof_need_not_be_logged_again_in_each_sample() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    for _ in range(3):
        health = watch.look()
    assert health.last is not None and health.last.successes == 0
    assert (health.verdict, health.proof) == ("HEALTHY", SUCCESS)


def test_a_denial_while_the_grant_is_spreading_starts_the_count_again() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(SUCCESS)
    watch.look()
    watch.look()
    watch.log(DENIAL)
    health = watch.look()
    assert health.streak == 0 and "denied calls" in health.evidence[0]


def test_a_denial_while_the_grant_is_spreading_is_waited_out() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(DENIAL)
    assert watch.look().verdict == "PENDING"


def test_a_call_that_is_denied_again_after_that_is_unhealthy() -> None:
    watch = Watch()
    watch.look()
    assert watch.look_denied(DENIAL).verdict == "UNHEALTHY"


def test_a_denial_that_is_shown_late_is_still_seen() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.lag = 20
    watch.look(after=40)
    watch.log(DENIAL)
    assert [watch.look().streak for _ in range(2)] == [2, 2]
    assert "denied calls" in watch.health.evidence[0]


def test_a_denial_from_while_the_grant_was_spreading_is_seen_again_but_not_for_ever() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(DENIAL)
    watch.world.logs.write(72, SUCCESS)
    samples = [watch.look() for _ in range(5)]
    assert [health.streak for health in samples] == [0, 0, 1, 2, 3]
    assert samples[-1].verdict == "HEALTHY"


def test_a_sample_never_looks_back_behind_the_start_of_the_rollout() -> None:
    watch = Watch()
    watch.seconds = 5
    watch.world.logs.write(4, DENIAL)
    for _ in range(2):
        health = watch.look(after=10)
        assert health.last is not None
        assert (health.last.since, health.last.denials) == (at(5), 0)


def test_the_first_sample_looks_back_to_the_start_of_the_rollout() -> None:
    watch = Watch()
    watch.world.logs.write(40, SUCCESS)
    assert watch.look().proof == SUCCESS


def test_no_task_running_is_not_good() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.services.tasks = {}
    health = watch.look()
    assert health.streak == 0 and health.evidence == ("No task of the deployment is running.",)


def test_a_task_that_is_missing_is_not_good() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.services.finish(running=1)
    watch.log(SUCCESS)
    health = watch.look()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert "1 of 2 tasks running" in health.evidence[0]


def test_a_deployment_that_somebody_replaced_is_unhealthy_and_the_other_is_named() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.services.somebody_deploys(DEFINITION)
    health = watch.look()
    assert health.verdict == "UNHEALTHY"
    assert f"{watch.ours} is not the primary deployment any more: {THEIRS}" in health.evidence[0]


def test_a_service_that_is_gone_is_unhealthy() -> None:
    watch = Watch()
    watch.look()
    watch.world.services.state = None
    health = watch.look()
    assert (health.verdict, health.evidence[0]) == ("UNHEALTHY", "The service is gone.")


def test_a_grant_that_somebody_took_off_is_unhealthy_however_well_the_service_works() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.look()
    watch.world.roles.role = replace(ROLE, attached=(SEND,))
    health = watch.look()
    assert health.verdict == "UNHEALTHY"
    assert health.evidence == (
        "prod-retainwise-sqs-worker is not attached to retainwise-ecs-task-role any more.",
    )


def test_a_grant_that_is_not_shown_while_it_is_spreading_is_waited_for() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(SUCCESS)
    watch.world.roles.role = ROLE
    assert watch.look().verdict == "PENDING"
    watch.world.roles.role = replace(ROLE, attached=(RECEIVE,))
    watch.log(SUCCESS)
    assert watch.look().streak == 1


def test_a_new_task_that_is_denied_and_exits_is_heard() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.services.died = (StoppedTask("new-and-gone", watch.ours),)
    assert watch.look_denied(DENIAL, "new-and-gone").verdict == "UNHEALTHY"


def test_the_logs_of_tasks_that_stopped_before_what_a_look_goes_back_to_are_not_asked_for() -> None:
    """Hundreds that never logged may have stopped in an hour, and the account has a few calls a second."""
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.services.died = (
        *(StoppedTask(f"dead-{n}", watch.ours, at=at(130)) for n in range(400)),
        StoppedTask("old-1", OLD_DEPLOYMENT, at=at(150)),
        StoppedTask("new-and-gone", watch.ours, at=at(172)),
        StoppedTask("still-stopping", watch.ours),
    )
    asked = set[str]()
    search = watch.world.logs.search_tasks

    def noted(route: LogRoute, tasks: tuple[str, ...], *rest: Any) -> LogLines:
        asked.update(tasks)
        return search(route, tasks, *rest)

    watch.world.logs.search_tasks = noted  # type: ignore[method-assign, assignment]
    assert watch.look_denied(DENIAL, "new-and-gone").verdict == "UNHEALTHY"
    assert asked == {"new-1", "new-2", "new-and-gone", "still-stopping"}


def test_an_old_tasks_denial_during_the_rollout_is_not_heard_though_it_has_stopped() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.write(140, DENIAL, "old-1")
    watch.world.services.stopped = ("old-1",)
    assert watch.look().streak == 1


def test_an_old_tasks_denial_after_the_rollout_is_not_heard_either() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.log(DENIAL, "old-1")
    watch.world.services.stopped = ("old-1",)
    assert watch.look().streak == 2


def test_a_success_from_before_a_bad_sample_proves_nothing_after_it() -> None:
    watch = Watch()
    watch.world.logs.write(169, SUCCESS)
    assert watch.look().streak == 1
    tasks, watch.world.services.tasks = watch.world.services.tasks, {}
    assert watch.look().streak == 0
    watch.world.services.tasks = tasks
    assert (watch.look().streak, watch.look().proof) == (0, None)
    watch.log(SUCCESS)
    assert watch.look().streak == 1


def test_a_success_from_before_a_bad_sample_does_not_become_proof_when_it_is_read_again() -> None:
    watch = Watch()
    watch.world.logs.write(189, SUCCESS)
    watch.look()
    tasks, watch.world.services.tasks = watch.world.services.tasks, {}
    watch.look()  # at 190
    watch.world.services.tasks = tasks
    assert [watch.look().proof for _ in range(3)] == [None, None, None]


def test_without_a_redeploy_another_deployment_than_the_baselines_is_unhealthy() -> None:
    watch = Watch(redeploys=False)
    watch.log(SUCCESS, "old-1")
    watch.world.services.state = replace(RUNNING, deployments=(replace(OLD, id=THEIRS),))
    assert watch.look().verdict == "UNHEALTHY"


def test_without_a_redeploy_whatever_deployment_is_there_must_have_its_tasks() -> None:
    watch = Watch(redeploys=False)
    watch.log(SUCCESS, "old-1")
    watch.world.services.finish(running=1)
    assert watch.look().streak == 0
    watch.world.services.finish(running=2)
    watch.log(SUCCESS, "old-1")
    assert watch.look().streak == 1


def test_without_a_redeploy_the_services_own_tasks_are_watched_from_the_grant_on() -> None:
    watch = Watch(redeploys=False)
    watch.world.logs.write(5, SUCCESS, "old-1")
    watch.world.logs.write(4, DENIAL, "old-1")
    health = watch.look()
    assert (health.streak, health.proof) == (1, SUCCESS)
    assert health.last is not None and (health.last.since, health.last.denials) == (at(4), 0)


def test_a_service_without_queues_is_judged_by_its_log() -> None:
    watch = Watch(entry=replace(ENTRY, health=replace(ENTRY.health, queue=None, dead_letter_queue=None)))
    watch.log(SUCCESS)
    health = watch.look()
    assert health.streak == 1
    assert health.last is not None and health.last.backlog is health.last.dead_letters is None


def test_the_evidence_of_a_denial_has_the_reason_at_its_end() -> None:
    watch = Watch()
    watch.log(DENIAL)
    assert (
        watch.look()
        .evidence[0]
        .endswith("because no identity-based policy allows the sqs:receivemessage action")
    )


def test_a_log_with_more_denials_than_are_read_is_never_good() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.endless = (DENIAL_TERM,)
    health = watch.look()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert health.evidence[0].startswith("There were more log lines than are read")


def test_more_successes_than_are_read_are_still_proof() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.endless = (ENTRY.health.success,)
    assert watch.look().streak == 1


def test_a_denial_asks_for_a_new_proof() -> None:
    mark = BaselineMark("ATTACH", at(2))
    grant = Grant(OLD_ROLE, (RECEIVE,), at(3))
    deployed: tuple[Verdict, tuple[str, ...]] = ("HEALTHY", ())
    first = Sample(at(60), at(80), 2, 1, 0, last_success=SUCCESS)
    proved = health_of(first, deployed, None, mark, grant, ENTRY)
    refused = Sample(at(80), at(100), 2, 0, 3, last_denial=DENIAL, denied_at=at(90))
    denied = health_of(refused, deployed, proved, mark, grant, ENTRY)
    silent = health_of(Sample(at(100), at(120), 2, 0, 0), deployed, denied, mark, grant, ENTRY)
    assert (denied.verdict, silent.streak, silent.proof) == ("PENDING", 0, None)


def test_a_log_that_is_later_than_any_window_proves_the_service_all_the_same() -> None:
    """The first look is the only one that looks back far enough, and in this one no task is listed."""
    watch = Watch(entry=ENTRY)
    watch.world.logs.lag = 56
    for seconds in range(60, 900, 5):
        watch.world.logs.write(seconds, SUCCESS)
    tasks, watch.world.services.tasks = watch.world.services.tasks, {}
    watch.look()
    watch.world.services.tasks = tasks
    assert "HEALTHY" in [watch.look().verdict for _ in range(8)]


def test_a_denial_that_was_counted_is_not_counted_again_because_nothing_else_is_in_sight() -> None:
    watch = Watch()
    watch.log(DENIAL)
    seen = [watch.look().last for _ in range(6)]
    assert [sample.denials for sample in seen if sample] == [1, 1, 0, 0, 0, 0]
