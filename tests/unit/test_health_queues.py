"""What the queues say about health: they drain, and nothing goes to the dead letters."""

from tests.unit.fakes import (
    SUCCESS,
)
from tests.unit.watch import OURS, Watch


def test_a_queue_that_does_not_drain_is_not_good() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS)
    health = watch.sample(waiting=15)
    assert health.streak == 0 and health.evidence == ("The queue is not draining: 15 messages wait.",)


def test_a_queue_that_drains_is_good_before_it_is_empty() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS)
    assert [watch.sample(waiting=n).streak for n in (12, 7, 3)] == [1, 2, 3]


def test_a_queue_that_producers_fill_faster_is_good_while_most_tasks_go_on_working() -> None:
    watch = Watch(backlog=14)
    for waiting in (20, 30, 40):
        watch.log(SUCCESS, "new-1")
        watch.log(SUCCESS, "new-2")
        health = watch.sample(waiting=waiting)
    assert health.verdict == "HEALTHY"


def test_a_queue_that_fills_is_not_good_if_half_of_the_tasks_hang() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS, "new-2")
    for waiting in (20, 30):
        watch.log(SUCCESS, "new-1")
        health = watch.sample(waiting=waiting)
    assert (health.streak, health.evidence) == (0, ("The queue is not draining: 30 messages wait.",))


def test_a_success_that_the_sample_before_saw_is_not_counted_again() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS, "new-1")
    watch.log(SUCCESS, "new-2")
    samples = [watch.sample(waiting=n).last for n in (20, 30)]
    assert [(s.successes, s.working) for s in samples if s] == [(2, 2), (0, 0)]
    assert watch.health is not None and watch.health.streak == 0


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


def test_a_worker_that_took_one_message_and_hangs_is_not_healthy() -> None:
    watch = Watch(backlog=100)
    watch.world.services.tasks = {OURS: ("new-1",)}
    watch.log(SUCCESS)
    samples = [watch.sample(waiting=99) for _ in range(4)]
    assert [health.streak for health in samples] == [1, 0, 0, 0]
