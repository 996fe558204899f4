"""Figure (vi): from a service's first denied call in its log to its run's report, on simulated time.

The account comes up once, with both services working. Each story is a fork of it: the role loses both
policies at a random second, the alarms fire, the runs start by themselves. What AWS takes for what is drawn
by the story's seed (LATENCIES), the same for each way to redeploy, so that ways are compared story by story.
"""

from __future__ import annotations

import gc
import json
import os
import random
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from moto.logs.models import logs_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from sandbox.account import LocalAccount
from sandbox.aws.ecs.tasks import Timing
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account

SERVICES = {"worker": retainwise.WORKER, "backend": retainwise.BACKEND}
WAYS = ("always", "if-needed")
BY_HAND = 15 * 60
"""Seconds that the seed's plan gives a person for the same repair."""
LIMIT = 2 * 3600.0

LATENCIES = {
    "IAM": "a change is felt by all calls after 0 to 10 s (uniform); until then each call meets the old or\n"
    "  the new, as a coin falls. The control plane shows it immediately.",
    "log": "a line is seen, and counted by the alarm's metric, 2 to 15 s after its own time (uniform) in\n"
    "  nine stories of ten, 15 to 60 s in the tenth.",
    "alarm": "period 60 s, one datapoint, evaluated on the minute. The loss is at any second of it.",
    "Fargate": "the captured rollout (first task at 14 s, running at 35 s, old task stopped at 85 s,\n"
    "  completed at 149 s), all of it times 0.9 to 1.3 (uniform).",
    "Lambda": "1 to 2.5 s the first time a function runs in a story, 0.2 to 0.8 s after that (uniform), the\n"
    "  calls to AWS in it included.",
}
# The captures were behind a load balancer, so the old task's targets drain before the end.
CAPTURED = Timing(steady=52)


@dataclass(frozen=True)
class Story:
    """How the run for one service went. seconds: from the first denied call in the log to the report."""

    seed: int
    way: str
    service: str
    outcome: str
    seconds: float
    redeployed: bool
    log_lag: float
    why: str = ""


def measure(runs: int) -> list[Story]:
    """Every story, each way, in as many processes as there are processors."""
    with _Account() as account:
        return [
            Story(**line) for line in _forked(account, [(seed, way) for seed in range(runs) for way in WAYS])
        ]


class _Account:
    """The seed's account, whole: both services may use the queue, and both functions have run once."""

    def __init__(self) -> None:
        self.account = LocalAccount(timing=CAPTURED)

    def __enter__(self) -> _Account:
        account = self.account.__enter__()
        self.outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise_account.create(account, redeploy="always")
        self._attach()
        account.clock.run_for(60)
        # One incident from its beginning to its end, so that whatever a process makes once is made.
        self._lose()
        self._until_ended()
        assert all(each.exec_status == "SUCCEEDED" for each in self.runs())
        self._attach()
        account.clock.run_for(300)
        account.calls.clear()
        self.known = len(self.runs())
        # What is here stays, so no child looks through it for garbage.
        gc.collect()
        gc.freeze()
        gc.disable()
        return self

    def __exit__(self, *error: Any) -> None:
        gc.enable()
        gc.unfreeze()
        self.account.__exit__(*error)

    def play(self, seed: int, way: str) -> Iterator[Story]:
        account, chance = self.account, random.Random(seed)
        after = chance.uniform(0, 60)
        account.faults.iam_lag, account.faults.iam_flapping = chance.uniform(0, 10), random.Random(seed)
        lag = chance.uniform(2, 15) if chance.random() < 0.9 else chance.uniform(15, 60)
        account.logs.lag = lag
        self._take_times(chance.uniform(0.9, 1.3))
        self._take_time_in_functions(random.Random(seed))
        self._say_how(way)
        account.clock.run_for(after)
        lost = account.clock.now().timestamp() * 1000
        self._lose()
        self._until_ended()
        for short, name in SERVICES.items():
            run = next(each for each in self.runs()[self.known :] if name in json.dumps(each.execution_input))
            report = run.output if run.exec_status == "SUCCEEDED" else json.loads(run.cause or "{}")
            ended = run.stop_date.timestamp() * 1000
            yield Story(
                seed,
                way,
                short,
                str(report.get("outcome") or run.exec_status),
                round((ended - self._first_denial(name, lost)) / 1000, 1),
                any(change["kind"] == "redeploy" for change in report.get("changes", ())),
                round(lag, 1),
                "; ".join(report.get("health", {}).get("evidence", ()))[:200] if report.get("health") else "",
            )

    def runs(self) -> list[Any]:
        """The executions of the runbook, oldest first."""
        machines = stepfunctions_parser_backends[retainwise.ACCOUNT][retainwise.REGION].state_machines
        return [run for each in machines if each.arn == self.outputs["RunbookArn"] for run in each.executions]

    def _until_ended(self) -> None:
        known = getattr(self, "known", 0)
        clock = self.account.clock

        def ended() -> bool:
            new = self.runs()[known:]
            return len(new) >= len(SERVICES) and all(each.exec_status != "RUNNING" for each in new)

        assert clock.run(until=ended, limit=LIMIT), "a run did not end"

    def _attach(self) -> None:
        for policy in (retainwise.SEND, retainwise.RECEIVE):
            self._iam.attach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=_arn(policy))

    def _lose(self) -> None:
        for policy in (retainwise.SEND, retainwise.RECEIVE):
            self._iam.detach_role_policy(RoleName=retainwise.OLD_ROLE, PolicyArn=_arn(policy))

    @property
    def _iam(self) -> Any:
        return self.account.client("iam")

    def _say_how(self, way: str) -> None:
        ssm: Any = self.account.client("ssm")
        for service in SERVICES.values():
            name = f"/regrant/services/{retainwise.CLUSTER}/{service}"
            entry = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"]) | {"redeploy": way}
            ssm.put_parameter(Name=name, Value=json.dumps(entry), Overwrite=True)

    def _take_times(self, factor: float) -> None:
        names = ("first_start", "pending", "running", "healthy", "stopping", "steady", "restart")
        timing = replace(CAPTURED, **{name: getattr(CAPTURED, name) * factor for name in names})
        agent = self.account.ecs
        agent.runner.timing = timing
        for rollout in agent.rollouts.values():
            rollout.timing = timing

    def _take_time_in_functions(self, chance: random.Random) -> None:
        warm: set[str] = set()

        def duration(function: str) -> float:
            cold = function not in warm
            warm.add(function)
            return chance.uniform(1, 2.5) if cold else chance.uniform(0.2, 0.8)

        self.account.patch(self.account.faults, "duration", duration)

    def _first_denial(self, service: str, lost: float) -> float:
        group = logs_backends[retainwise.ACCOUNT][retainwise.REGION].groups[f"/ecs/{service}"]
        return min(
            float(event.timestamp)
            for stream in group.streams.values()
            for event in stream.events
            if event.timestamp >= lost and "not authorized to perform" in event.message
        )


def _arn(policy: str) -> str:
    return f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{policy}"


def _forked(account: _Account, stories: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    """What the children wrote. Raises RuntimeError if one of them failed."""
    file, path = tempfile.mkstemp(prefix="regrant-bench-")
    running: set[int] = set()
    try:
        for seed, way in stories:
            if len(running) >= (os.cpu_count() or 1):
                running.remove(_ended())
            child = os.fork()
            if not child:
                _write(account, seed, way, file)
            running.add(child)
        while running:
            running.remove(_ended())
        return sorted(
            map(json.loads, Path(path).read_text().splitlines()),
            key=lambda e: (e["seed"], e["way"], e["service"]),
        )
    finally:
        Path(path).unlink()


def _ended() -> int:
    child, status = os.wait()
    if status:
        raise RuntimeError(f"a story ended with {os.waitstatus_to_exitcode(status)}")
    return child


def _write(account: _Account, seed: int, way: str, file: int) -> None:
    """In a child: play, write the result, and end."""
    status = 1
    try:
        lines = [json.dumps(vars(story)) + "\n" for story in account.play(seed, way)]
        os.write(file, "".join(lines).encode())  # the offset is shared, and a write of this size is one step
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def summarize(stories: Sequence[Story]) -> dict[str, Any]:
    """For each way and service: p50, p95, the slowest, how many redeployed, which were not CONTAINED."""
    return {
        way: {
            service: _row([each for each in stories if (each.way, each.service) == (way, service)])
            for service in SERVICES
        }
        for way in WAYS
    }


def _row(stories: Sequence[Story]) -> dict[str, Any]:
    good = [story.seconds for story in stories if story.outcome == "CONTAINED"]
    cuts = quantiles(good, n=20, method="inclusive") if len(good) > 1 else good * 19
    return {
        "stories": len(stories),
        "p50": round(cuts[9]),
        "p95": round(cuts[18]),
        "most": round(max(good)),
        "redeployed": sum(story.redeployed for story in stories),
        "leastLagRedeployed": min((story.log_lag for story in stories if story.redeployed), default=None),
        "notContained": [vars(story) for story in stories if story.outcome != "CONTAINED"],
    }
