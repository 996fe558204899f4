"""No promise is broken in one found story of each kind; `make people` plays all of them, and random ones."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from sandbox.people.forks import play_forked, players
from sandbox.people.found import CONTAINED, FOUND, act, run
from sandbox.people.promises.judge import judge


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with players(1) as one:
        yield one


ONE_OF_EACH = {found.promise: name for name, found in FOUND.items()}


@pytest.mark.parametrize("name", ONE_OF_EACH.values())
def test_no_promise_is_broken_in_a_found_story(pool: ProcessPoolExecutor, name: str) -> None:
    seen = pool.submit(play_forked, FOUND[name].story).result()
    broken = [f"{each.promise}: {each.text}" for each in judge(seen)]
    assert not broken, "\n".join((*broken, *seen.log, *(run.page for run in seen.runs)))


def test_what_nobody_can_know_is_not_demanded(pool: ProcessPoolExecutor) -> None:
    """Off and on again between two looks of the runbook: IAM does not say who attached."""
    story = (*CONTAINED, act("detach"), act("attach"), run("rollback"))
    broken = [each.promise for each in judge(pool.submit(play_forked, story).result())]
    assert "what_others_attached_stays" not in broken
