"""Independent reads at the same time: what a run waits for is the longest, not the sum."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")

# boto3 clients may be shared between threads (boto3 guide, Clients: multithreading). Nested reads block
# their thread, so the pool is larger than the most calls that Diagnose has under way.
_pool = ThreadPoolExecutor(max_workers=16)


def each(function: Callable[[T], R], items: tuple[T, ...]) -> tuple[R, ...]:
    """function(item) for every item, in order; the first failure is raised."""
    calls = [partial(function, item) for item in items]
    begun = [_pool.submit(call) for call in calls]
    try:
        return tuple(map(_result, begun, calls))
    finally:
        for call in begun:
            call.cancel()


def later(function: Callable[[], A]) -> Callable[[], A]:
    """Begin it now; call what is returned to have the result, or the failure."""
    begun = _pool.submit(function)
    return lambda: _result(begun, function)


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results; the first failure is raised."""
    other = later(second)
    return first(), other()


def all_three(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C]) -> tuple[A, B, C]:
    """All three results; the first failure is raised."""
    others = later(second), later(third)
    return first(), others[0](), others[1]()


def _result(begun: Future[A], function: Callable[[], A]) -> A:
    """Its result. What no thread of the pool has begun yet is done in this one: a thread that waited for a
    place would wait for ever if all of the others did so, too."""
    return function() if begun.cancel() else begun.result()


def within(seconds: float, function: Callable[[], A]) -> A:
    """Its result; raises TimeoutError if it has none by then. What it has begun goes on."""
    return _pool.submit(function).result(timeout=seconds)
