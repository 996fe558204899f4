"""Simulated time."""

import threading
import time
from datetime import timedelta

import pytest

from sandbox.engine.clock import START, Clock, Signal


def test_an_hour_of_sleep_passes_at_once() -> None:
    clock = Clock(START)
    woken: list[object] = []

    def sleeper() -> None:
        clock.sleep(3600)
        woken.append(clock.now())

    clock.spawn(sleeper)
    assert clock.run(lambda: bool(woken))
    assert woken == [START + timedelta(hours=1)]
    clock.close()


def test_participants_take_turns_in_the_order_of_time_and_then_of_asking() -> None:
    clock = Clock(START)
    order: list[str] = []

    def participant(name: str, pause: float) -> None:
        for _ in range(2):
            clock.sleep(pause)
            order.append(name)

    clock.spawn(lambda: participant("slow", 2))
    clock.spawn(lambda: participant("quick", 1))
    clock.call_later(1, lambda: order.append("callback"))
    clock.run_for(10)
    assert order == ["callback", "quick", "slow", "quick", "slow"]
    clock.close()


def test_an_exception_in_a_participant_surfaces_in_run() -> None:
    clock = Clock(START)

    def broken() -> None:
        clock.sleep(1)
        raise LookupError("broken")

    clock.spawn(broken)
    with pytest.raises(LookupError):
        clock.run(lambda: False, 10)
    clock.close()


def test_an_interrupt_comes_out_of_run_between_two_events() -> None:
    clock = Clock(START)
    done: list[str] = []

    def interrupted() -> None:
        clock.interrupt()
        done.append("the event that was under way")

    clock.call_later(1, interrupted)
    clock.call_later(2, lambda: done.append("the next"))
    with pytest.raises(KeyboardInterrupt):
        clock.run_for(10)
    assert done == ["the event that was under way"]
    with pytest.raises(KeyboardInterrupt):
        clock.interrupt()  # nobody drives, so it is raised here
    clock.close()


def test_a_signal_interrupts_a_wait() -> None:
    clock = Clock(START)
    signal = Signal()
    seen: list[tuple[bool, float]] = []
    clock.spawn(lambda: seen.append((clock.wait(signal, 100), clock.elapsed())))
    clock.spawn(lambda: seen.append((clock.wait(Signal(), 5), clock.elapsed())))
    clock.call_later(30, signal.set)
    clock.run_for(200)
    assert seen == [(False, 5), (True, 30)]
    clock.close()


def test_a_repeating_event_ends_when_it_is_cancelled() -> None:
    clock = Clock(START)
    ticks: list[float] = []
    event = clock.every(10, lambda: ticks.append(clock.elapsed()))
    clock.call_later(35, event.cancel)
    clock.run_for(100)
    assert ticks == [10, 20, 30]
    assert clock.elapsed() == 100


def test_run_says_when_the_limit_passed_first() -> None:
    clock = Clock(START)
    assert not clock.run(lambda: False, limit=60)
    assert clock.now() == START + timedelta(seconds=60)


def test_closing_ends_a_participant_that_would_wait_for_ever() -> None:
    clock = Clock(START)
    ended: list[str] = []

    def waits() -> None:
        try:
            clock.sleep(10_000)
        finally:
            ended.append("ended")

    clock.spawn(waits)
    clock.run_for(1)
    clock.close()
    assert ended == ["ended"]


def test_with_a_pace_real_time_passes_and_other_threads_are_heard() -> None:
    clock = Clock(START, pace=100)
    heard: list[float] = []
    other = threading.Timer(0.05, lambda: clock.spawn(lambda: heard.append(clock.elapsed())))
    clock.spawn(other.start)  # the time of a slow machine before that does not count
    began = time.monotonic()
    assert clock.run(lambda: bool(heard), limit=1000)
    assert time.monotonic() - began < 2
    assert 2 < heard[0] < 200
    clock.close()


def test_the_main_thread_drives_while_it_sleeps() -> None:
    clock = Clock(START)
    seen: list[float] = []
    clock.spawn(lambda: seen.append(clock.elapsed()))
    clock.sleep(5)
    assert (seen, clock.elapsed()) == ([0], 5)


def test_a_callback_cannot_sleep() -> None:
    clock = Clock(START)
    clock.call_later(1, lambda: clock.sleep(1))
    with pytest.raises(RuntimeError):
        clock.run_for(2)


def test_time_does_not_jump_over_work_that_is_done_outside() -> None:
    clock = Clock(START)
    ended = threading.Event()
    work_ended = clock.outside_work(pace=100)
    threading.Timer(0.1, ended.set).start()
    began = time.monotonic()
    assert clock.run(ended.is_set, limit=10_000)
    assert 5 < clock.elapsed() < 500
    work_ended()
    clock.run_for(10_000)
    assert time.monotonic() - began < 5


def test_time_has_its_own_pace_until_the_last_work_has_ended() -> None:
    clock = Clock(START, pace=3)
    first, second = clock.outside_work(pace=100), clock.outside_work(pace=100)
    first()
    assert clock.pace == 3
    second()
    jumping = Clock(START)
    first, second = jumping.outside_work(pace=100), jumping.outside_work(pace=100)
    first()
    assert jumping.pace == 100
    second()
    assert jumping.pace is None
