"""The service works again: positive evidence and no new denial, from the new tasks, N samples in a row."""

from msgspec.structs import replace

from regrant.evidence import DENIAL_TERM
from regrant.health import judge, verify_health
from regrant.models import BaselineMark, Grant, Health, Rollout, Sample, Verdict
from tests.unit.fakes import (
    DEFINITION,
    DENIAL,
    ENTRY,
    INCIDENT_OF_WORKER,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    ROUTE,
    RUNNING,
    SEND,
    SUCCESS,
    THEIRS,
    World,
    at,
)

OURS = "ecs-svc/4026531840000000042"
GRANT = Grant(OLD_ROLE, (RECEIVE,), at(3))
ROLLOUT = Rollout(OURS, started_at=at(5), at=at(150), verdict="HEALTHY", checks=9)

ROLLED_OUT: tuple[Verdict, tuple[str, ...]] = ("HEALTHY", ())


class Watch:
    """The worker after its rollout, sampled every 20 seconds; an old task may still log."""

    def __init__(self, backlog: int = 14) -> None:
        self.world = World()
        ours = replace(OLD, id=OURS)
        self.world.services.state = replace(RUNNING, deployments=(ours,))
        self.world.roles.role = replace(ROLE, attached=(RECEIVE,))
        self.world.services.tasks = {OURS: ("new-1", "new-2"), None: ("old-1",)}
        self.world.queues.waiting = backlog
        self.mark = BaselineMark("sha", at(2), OLD_DEPLOYMENT, DEFINITION, backlog=backlog, dead_letters=4)
        self.world.queues.dead = 4
        self.entry = ENTRY
        self.health: Health | None = None
        self.seconds = 150.0

    def sample(self, *, waiting: int = 0, after: float = 20, rollout: Rollout | None = ROLLOUT) -> Health:
        self.seconds += after
        self.world.queues.waiting = waiting
        self.health = verify_health(
            replace(INCIDENT_OF_WORKER, entry=self.entry),
            (ROUTE,),
            self.mark,
            GRANT,
            rollout,
            self.health,
            self.world.services,
            self.world.roles,
            self.world.logs,
            self.world.queues,
            at(self.seconds),
        )
        return self.health

    def log(self, message: str, task: str = "new-1") -> None:
        """Now, that is a second into the window of the next sample."""
        self.world.logs.write(self.seconds + 1, message, task)


def test_three_good_samples_in_a_row_are_healthy() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    verdicts = [watch.sample().verdict for _ in range(3)]
    assert verdicts == ["PENDING", "PENDING", "HEALTHY"]
    assert watch.health is not None and watch.health.streak == watch.health.needed == 3


def test_the_catalogue_says_how_many_samples() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.entry = replace(ENTRY, health=replace(ENTRY.health, samples=1))
    assert watch.sample().verdict == "HEALTHY"


def test_silence_proves_nothing() -> None:
    watch = Watch()
    for _ in range(5):
        health = watch.sample()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert health.evidence == ("The success line has not been logged yet.",)


def test_an_old_tasks_success_proves_nothing() -> None:
    watch = Watch()
    watch.log(SUCCESS, "old-1")
    assert watch.sample().proof is None


def test_an_old_tasks_last_denial_is_not_held_against_the_fix() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.log(DENIAL, "old-1")
    assert watch.sample().streak == 1


def test_the_proof_need_not_be_logged_again_in_each_sample() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    for _ in range(3):
        health = watch.sample()
    assert health.last is not None and health.last.successes == 0
    assert (health.verdict, health.proof) == ("HEALTHY", SUCCESS)


def test_a_denial_of_a_new_task_starts_the_count_again() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.sample()
    watch.sample()
    watch.log(DENIAL)
    health = watch.sample()
    assert health.streak == 0 and "denied calls" in health.evidence[0]


def test_a_denial_while_the_grant_is_spreading_is_waited_out() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(DENIAL)
    assert watch.sample().verdict == "PENDING"


def test_a_denial_after_that_is_unhealthy() -> None:
    watch = Watch()
    watch.sample()
    watch.log(DENIAL)
    assert watch.sample().verdict == "UNHEALTHY"


def test_a_denial_that_is_shown_late_is_still_seen() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.lag = 20
    watch.sample(after=40)
    watch.log(DENIAL)
    assert [watch.sample().verdict for _ in range(2)] == ["PENDING", "UNHEALTHY"]


def test_a_denial_from_while_the_grant_was_spreading_is_seen_again_but_not_for_ever() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(DENIAL)
    watch.world.logs.write(72, SUCCESS)
    samples = [watch.sample() for _ in range(5)]
    assert [health.streak for health in samples] == [0, 0, 1, 2, 3]
    assert samples[-1].verdict == "HEALTHY"


def test_a_sample_never_looks_back_behind_the_start_of_the_rollout() -> None:
    watch = Watch()
    watch.seconds = 5
    watch.world.logs.write(4, DENIAL)
    for _ in range(2):
        health = watch.sample(after=10)
        assert health.last is not None
        assert (health.last.since, health.last.denials) == (ROLLOUT.started_at, 0)


def test_the_first_sample_looks_back_to_the_start_of_the_rollout() -> None:
    watch = Watch()
    watch.world.logs.write(40, SUCCESS)
    assert watch.sample().proof == SUCCESS


def test_a_queue_that_does_not_drain_is_not_good() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS)
    health = watch.sample(waiting=15)
    assert health.streak == 0 and health.evidence == ("The queue is not draining: 15 messages wait.",)


def test_a_queue_that_drains_is_good_before_it_is_empty() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS)
    assert [watch.sample(waiting=n).streak for n in (12, 7, 3)] == [1, 2, 3]


def test_more_dead_letters_in_one_sample_may_be_a_miscount() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.queues.dead = 5
    health = watch.sample()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert health.evidence == ("1 messages went to the dead-letter queue since the fix.",)
    watch.world.queues.dead = 4
    assert watch.sample().streak == 1


def test_more_dead_letters_in_two_samples_in_a_row_are_unhealthy() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.queues.dead = 5
    watch.sample()
    watch.world.queues.dead = 6
    health = watch.sample()
    assert (health.verdict, health.evidence[0][:10]) == ("UNHEALTHY", "2 messages")


def test_dead_letters_from_before_the_fix_do_not_count() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.queues.dead = 3  # somebody took one out
    assert watch.sample().streak == 1


def test_dead_letters_are_counted_from_the_fewest_there_were() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.queues.dead = 0  # somebody moved them all back
    watch.sample()
    watch.world.queues.dead = 2
    assert [watch.sample().verdict for _ in range(2)] == ["PENDING", "UNHEALTHY"]


def test_no_task_running_is_not_good() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.sample()
    watch.world.services.tasks = {}
    health = watch.sample()
    assert health.streak == 0 and health.evidence == ("No task of the deployment is running.",)


def test_a_task_that_is_missing_is_not_good() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.services.finish(id=OURS, running=1)
    health = watch.sample()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert "1 of 2 tasks running" in health.evidence[0]


def test_a_deployment_that_somebody_replaced_is_unhealthy_and_the_other_is_named() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.services.somebody_deploys(DEFINITION)
    health = watch.sample()
    assert health.verdict == "UNHEALTHY"
    assert f"{OURS} is not the primary deployment any more: {THEIRS}" in health.evidence[0]


def test_a_service_that_is_gone_is_unhealthy() -> None:
    watch = Watch()
    watch.world.services.state = None
    assert (watch.sample().verdict, watch.sample().evidence[0]) == ("UNHEALTHY", "The service is gone.")


def test_a_grant_that_somebody_took_off_is_unhealthy_however_well_the_service_works() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.sample()
    watch.sample()
    watch.world.roles.role = replace(ROLE, attached=(SEND,))
    health = watch.sample()
    assert health.verdict == "UNHEALTHY"
    assert health.evidence == (
        "prod-retainwise-sqs-worker is not attached to retainwise-ecs-task-role any more.",
    )


def test_a_grant_that_is_not_shown_while_it_is_spreading_is_waited_for() -> None:
    watch = Watch()
    watch.seconds = 60
    watch.log(SUCCESS)
    watch.world.roles.role = ROLE
    assert watch.sample().verdict == "PENDING"
    watch.world.roles.role = replace(ROLE, attached=(RECEIVE,))
    assert watch.sample().streak == 1


def test_without_a_redeploy_whatever_deployment_is_there_must_have_its_tasks() -> None:
    watch = Watch()
    watch.log(SUCCESS, "old-1")
    watch.world.services.finish(running=1)
    assert watch.sample(rollout=None).streak == 0
    watch.world.services.finish(running=2)
    assert watch.sample(rollout=None).streak == 1


def test_without_a_redeploy_the_services_own_tasks_are_watched_from_the_grant_on() -> None:
    watch = Watch()
    watch.world.logs.write(4, SUCCESS, "old-1")
    watch.world.logs.write(2, DENIAL, "old-1")
    health = watch.sample(rollout=None)
    assert (health.streak, health.proof) == (1, SUCCESS)
    assert health.last is not None and (health.last.since, health.last.denials) == (GRANT.at, 0)


def test_a_service_without_queues_is_judged_by_its_log() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.entry = replace(ENTRY, health=replace(ENTRY.health, queue=None, dead_letter_queue=None))
    health = watch.sample()
    assert health.streak == 1
    assert health.last is not None and health.last.backlog is health.last.dead_letters is None


def test_the_evidence_of_a_denial_has_the_reason_at_its_end() -> None:
    watch = Watch()
    watch.log(DENIAL)
    assert (
        watch.sample()
        .evidence[0]
        .endswith("because no identity-based policy allows the sqs:receivemessage action")
    )


def test_a_log_with_more_denials_than_are_read_is_never_good() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.endless = (DENIAL_TERM,)
    health = watch.sample()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert health.evidence[0].startswith("The logs were too many to read")


def test_more_successes_than_are_read_are_still_proof() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.logs.endless = (ENTRY.health.success,)
    assert watch.sample().streak == 1


def test_a_worker_that_took_one_message_and_hangs_is_not_healthy() -> None:
    mark = BaselineMark("sha", at(2), OLD_DEPLOYMENT, DEFINITION, backlog=100)
    health: Health | None = None
    for seconds, successes in ((170, 1), (190, 0), (210, 0), (230, 0)):
        line = SUCCESS if successes else None
        seen = Sample(at(seconds - 20), at(seconds), 2, successes, 0, 99, last_success=line)
        health = judge(seen, ROLLED_OUT, health, mark, GRANT, ENTRY)
    assert health is not None
    assert (health.verdict, health.streak) == ("PENDING", 0)


def test_a_denial_asks_for_a_new_proof() -> None:
    mark = BaselineMark("sha", at(2), OLD_DEPLOYMENT, DEFINITION)
    proved = judge(
        Sample(at(60), at(80), 2, 1, 0, last_success=SUCCESS), ROLLED_OUT, None, mark, GRANT, ENTRY
    )
    refused = Sample(at(80), at(100), 2, 0, 3, last_denial=DENIAL, denied_at=at(90))
    denied = judge(refused, ROLLED_OUT, proved, mark, GRANT, ENTRY)
    silent = judge(Sample(at(100), at(120), 2, 0, 0), ROLLED_OUT, denied, mark, GRANT, ENTRY)
    assert (denied.verdict, silent.streak, silent.proof) == ("PENDING", 0, None)
