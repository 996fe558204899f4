"""Plays a scenario: the account comes up, breaks, and whatever happens then is judged from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sandbox.account import LocalAccount
from sandbox.narrator import Narrator
from sandbox.scenarios import Scenario
from sandbox.seeds import retainwise
from sandbox.snapshot import difference, fingerprint, snapshot

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"
LIMIT = 2 * 3600.0
"""Simulated seconds after which a story that has not ended is given up."""

IAM_LAG = 4.0
"""Simulated seconds until a new attachment is felt; about what has been measured on AWS."""


@dataclass
class Run:
    """One execution as anybody can read it from Step Functions."""

    execution: str
    service: str
    status: str
    error: str | None
    states: int
    report: dict[str, Any]


@dataclass
class Result:
    """How the story ended; `complaints` is empty if it ended as it says."""

    scenario: str
    ok: bool = False
    complaints: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    predictions: dict[str, int] = field(default_factory=dict)
    account_before: str = ""
    account_after: str = ""
    simulated_seconds: float = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def play(account: LocalAccount, scenario: Scenario, say: Callable[[str], None] = lambda line: None) -> Result:
    """Break the account, let alarm and runbook do their work, and judge what is there afterwards."""
    outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
    retainwise.create(account, variant=scenario.variant)
    # What the seed attached has been there for long, so only later changes are felt late.
    account.clock.call_later(IAM_LAG, lambda: setattr(account.faults, "iam_lag", IAM_LAG))
    narrator = Narrator(account, outputs["RunbookArn"], say)
    before = snapshot(account)
    narrator.watch()

    def ended() -> bool:
        executions = narrator.executions()
        finished = [e for e in executions if e["status"] != "RUNNING"]
        if len(finished) < max(len(scenario.outcomes), len(executions)):
            return False
        return not scenario.repaired or _drained(narrator)

    account.clock.run(until=ended, limit=LIMIT)
    narrator.look()
    after = snapshot(account)
    result = Result(
        scenario=scenario.name,
        runs=[_read_run(account, e["executionArn"]) for e in narrator.executions()],
        predictions=dict(narrator.predictions),
        account_before=fingerprint(before),
        account_after=fingerprint(after),
        simulated_seconds=account.clock.elapsed(),
    )
    result.complaints = _judge(scenario, result, narrator, list(difference(before, after)))
    result.ok = not result.complaints
    return result


def _drained(narrator: Narrator) -> bool:
    return narrator.predictions["COMPLETED"] > narrator.predictions["QUEUED"]


def _read_run(account: LocalAccount, arn: str) -> Run:
    sfn = account.client("stepfunctions")
    shown = sfn.describe_execution(executionArn=arn)
    history = sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    report = json.loads(shown.get("output") or shown.get("cause") or "{}")
    return Run(
        execution=shown["name"],
        service=str(report.get("service") or "").rsplit("/", 1)[-1],
        status=shown["status"],
        error=shown.get("error"),
        states=sum("stateEnteredEventDetails" in event for event in history),
        report=report,
    )


def _judge(scenario: Scenario, result: Result, narrator: Narrator, changed: list[str]) -> list[str]:
    found = []
    outcomes = sorted((run.service, run.report.get("outcome", run.status)) for run in result.runs)
    if outcomes != sorted(scenario.outcomes.items()):
        found.append(f"runs ended {outcomes}, not {sorted(scenario.outcomes.items())}")
    for run in result.runs:
        succeeded = run.report.get("outcome") in ("CONTAINED", "PLANNED", "NOTHING_TO_FIX", "REFUSED")
        if (run.status == "SUCCEEDED") != succeeded:
            found.append(f"{run.service}: status {run.status} with outcome {run.report.get('outcome')}")
    if scenario.repaired and not {"QUEUED", "PROCESSING", "COMPLETED"} <= narrator.statuses_seen:
        found.append(f"predictions were only ever seen {sorted(narrator.statuses_seen)}")
    if scenario.repaired and not _drained(narrator):
        found.append(f"predictions are stuck: {result.predictions}")
    if scenario.restored and result.account_before != result.account_after:
        found.append(f"the account is not what it was: {'; '.join(changed)}")
    return found
