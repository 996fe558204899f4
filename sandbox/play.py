"""Plays a scenario: the account comes up, breaks, and whatever happens then is judged from outside."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
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

    @property
    def attached(self) -> tuple[str, ...]:
        """Names of the policies that the run attached."""
        changes = [change for change in self.report.get("changes", ()) if change["kind"] == "attach"]
        return tuple(change["value"].rpartition("/")[2] for change in changes)


@dataclass
class Result:
    """How the story ended; `complaints` is empty if it ended as it says.

    log_reads: how many pages of each log group Diagnose read.
    """

    scenario: str
    ok: bool = False
    complaints: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    predictions: dict[str, int] = field(default_factory=dict)
    log_reads: dict[str, int] = field(default_factory=dict)
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
        log_reads=_log_reads(account),
        account_before=fingerprint(before),
        account_after=fingerprint(after),
        simulated_seconds=account.clock.elapsed(),
    )
    result.complaints = [
        *_misjudged_runs(scenario, result),
        *_misjudged_account(scenario, before, after),
        *_misjudged_predictions(scenario, narrator),
    ]
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


def _log_reads(account: LocalAccount) -> dict[str, int]:
    return dict(
        Counter(
            str(call.parameters.get("logGroupName"))
            for call in account.calls
            if call.operation == "FilterLogEvents" and str(call.function).endswith("-diagnose")
        )
    )


def _misjudged_runs(scenario: Scenario, result: Result) -> Iterator[str]:
    """What the runs did not do as told."""
    outcomes = sorted((run.service, run.report.get("outcome", run.status)) for run in result.runs)
    if outcomes != sorted(scenario.outcomes.items()):
        yield f"runs ended {outcomes}, not {sorted(scenario.outcomes.items())}"
    for run in result.runs:
        succeeded = run.report.get("outcome") in ("CONTAINED", "PLANNED", "NOTHING_TO_FIX", "REFUSED")
        if (run.status == "SUCCEEDED") != succeeded:
            yield f"{run.service}: status {run.status} with outcome {run.report.get('outcome')}"
        codes = [finding["code"] for finding in run.report.get("findings", ())]
        if run.service in scenario.findings and scenario.findings[run.service] not in codes:
            yield f"{run.service}: found {codes}, not {scenario.findings[run.service]}"
        attached = run.attached
        if run.service in scenario.attached and attached != scenario.attached[run.service]:
            yield f"{run.service}: attached {attached}, not {scenario.attached[run.service]}"
    if scenario.most_log_reads is not None:
        for group, reads in result.log_reads.items():
            if reads > scenario.most_log_reads:
                yield f"Diagnose read {reads} pages of {group}, not {scenario.most_log_reads} at most"


def _misjudged_account(scenario: Scenario, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What is not as told in the account, whatever the runs say of it."""
    if scenario.restored and before != after:
        yield f"the account is not what it was: {'; '.join(difference(before, after))}"
    if scenario.attached:
        added = {role: _attached(after, role) - _attached(before, role) for role in after["roles"]}
        added = {role: policies for role, policies in added.items() if policies}
        wanted = {policy for policies in scenario.attached.values() for policy in policies}
        if added != {retainwise.OLD_ROLE: wanted}:
            yield f"roles gained {added}, not {retainwise.OLD_ROLE} {sorted(wanted)}"


def _attached(state: dict[str, Any], role: str) -> set[str]:
    return {arn.rpartition("/")[2] for arn in state["roles"][role]["attached"]}


def _misjudged_predictions(scenario: Scenario, narrator: Narrator) -> Iterator[str]:
    """What the services' work does not show as told."""
    if scenario.repaired and not {"QUEUED", "PROCESSING", "COMPLETED"} <= narrator.statuses_seen:
        yield f"predictions were only ever seen {sorted(narrator.statuses_seen)}"
    if scenario.repaired and not _drained(narrator):
        yield f"predictions are stuck: {dict(narrator.predictions)}"
