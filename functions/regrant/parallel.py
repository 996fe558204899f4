"""Independent reads at the same time: what a run waits for is the longest, not the sum."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    return tuple(_pool.map(function, items))


def later(function: Callable[[], A]) -> Callable[[], A]:
    """Begin it now; call what is returned to have the result, or the failure."""
    return _pool.submit(function).result


def both(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Both results; the first failure is raised."""
    other = _pool.submit(second)
    return first(), other.result()


def all_three(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C]) -> tuple[A, B, C]:
    """All three results; the first failure is raised."""
    others = _pool.submit(second), _pool.submit(third)
    return first(), others[0].result(), others[1].result()


def within(seconds: float, function: Callable[[], A]) -> A:
    """Its result; raises TimeoutError if it has none by then. What it has begun goes on."""
    return _pool.submit(function).result(timeout=seconds)
