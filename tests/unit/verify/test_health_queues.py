"""What the queues say about health: they drain, and nothing goes to the dead letters."""

from tests.unit.fakes import SUCCESS
from tests.unit.watch import Watch


def test_a_queue_that_does_not_drain_is_not_good() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS)
    health = watch.look(visible=15)
    assert health.streak == 0 and health.evidence == ("The queue is not draining: 15 messages wait.",)


def test_a_queue_that_drains_is_good_before_it_is_empty() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS)
    assert [watch.look(visible=n).streak for n in (12, 7, 3)] == [1, 2, 3]


def test_a_queue_that_producers_fill_faster_is_good_while_most_tasks_go_on_working() -> None:
    watch = Watch(backlog=14)
    for visible in (20, 30, 40):
        watch.log(SUCCESS, "new-1")
        watch.log(SUCCESS, "new-2")
        health = watch.look(visible=visible)
    assert health.verdict == "HEALTHY"


def test_a_queue_that_fills_is_not_good_if_half_of_the_tasks_hang() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS, "new-2")
    for visible in (20, 30):
        watch.log(SUCCESS, "new-1")
        health = watch.look(visible=visible)
    assert (health.streak, health.evidence) == (0, ("The queue is not draining: 30 messages wait.",))


def test_a_success_that_the_sample_before_saw_is_not_counted_again() -> None:
    watch = Watch(backlog=14)
    watch.log(SUCCESS, "new-1")
    watch.log(SUCCESS, "new-2")
    samples = [watch.look(visible=n).last for n in (20, 30)]
    assert [(s.successes, s.working) for s in samples if s] == [(2, 2), (0, 0)]
    assert watch.health.streak == 0


def test_a_message_that_has_only_just_come_neither_counts_nor_ends_the_row() -> None:
    watch = Watch(backlog=0)
    streaks = []
    for visible in (0, 0, 1, 0):  # one message a minute, and a look just after it came
        if visible == 0:
            watch.log(SUCCESS)
        streaks.append(watch.look(visible=visible).streak)
    assert streaks == [1, 2, 2, 3]
    assert watch.health.verdict == "HEALTHY"


def test_tasks_that_hang_after_an_empty_queue_are_found_out_by_the_next_sample() -> None:
    watch = Watch(backlog=0)
    watch.log(SUCCESS)
    samples = [watch.look(visible=visible) for visible in (0, 4, 9)]
    assert [health.streak for health in samples] == [1, 1, 0]
    assert samples[1].evidence == ("4 messages have arrived since the sample before.",)
    assert samples[2].evidence == ("The queue is not draining: 9 messages wait.",)


def test_a_dead_letter_queue_that_grew_once_asks_for_a_new_proof() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.queues.dead = 6
    health = watch.look()
    assert (health.verdict, health.streak) == ("PENDING", 0)
    assert health.evidence == ("The dead-letter queue grew by 2.",)
    assert watch.look().streak == 0
    watch.log(SUCCESS)
    assert watch.look().streak == 1


def test_a_dead_letter_queue_that_grew_twice_in_a_row_is_unhealthy() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.look()
    watch.world.queues.dead = 5
    watch.look()
    watch.world.queues.dead = 7
    health = watch.look()
    assert (health.verdict, health.evidence) == ("UNHEALTHY", ("The dead-letter queue grew by 2.",))


def test_what_the_old_tasks_sent_there_during_the_rollout_does_not_count() -> None:
    watch = Watch()
    watch.log(SUCCESS)
    watch.world.queues.dead = 9
    assert [watch.look().streak for _ in range(2)] == [1, 2]


def test_an_approximate_count_that_goes_up_and_down_is_no_growth() -> None:
    watch = Watch()
    streaks = []
    for dead in (5, 4, 5, 4):
        watch.log(SUCCESS)
        watch.world.queues.dead = dead
        streaks.append(watch.look().streak)
    assert streaks == [1, 2, 3, 4]


def test_a_worker_that_took_one_message_and_hangs_is_not_healthy() -> None:
    watch = Watch(backlog=100)
    watch.world.services.tasks = {watch.ours: ("new-1",)}
    watch.log(SUCCESS)
    samples = [watch.look(visible=99) for _ in range(4)]
    assert [health.streak for health in samples] == [1, 0, 0, 0]
