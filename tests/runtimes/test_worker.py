"""The worker is waited for until each of its tasks was refused, and not for ever."""

from __future__ import annotations

import pytest

from runtimes import worker as module
from runtimes.worker import Worker


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(module, "_DENIALS_SECONDS", 0.1)
    return Worker(lambda service: None, "queue")


def test_a_service_without_tasks_is_not_waited_for_for_ever(worker: Worker) -> None:
    with pytest.raises(TimeoutError, match="no task runs"):
        worker.wait_for_denials()


def test_every_task_is_waited_for(worker: Worker) -> None:
    worker._started["ecs-svc/1"] = ["one", "two"]
    worker._logged.add("ecs/worker/one")
    with pytest.raises(TimeoutError, match="1 of 2 tasks logged no denial"):
        worker.wait_for_denials()
    worker._logged.add("ecs/worker/two")
    worker.wait_for_denials()


def test_what_went_wrong_with_the_worker_is_raised(worker: Worker) -> None:
    worker.failure = ValueError("no such cluster")
    with pytest.raises(ValueError, match="no such cluster"):
        worker.wait_for_denials()
