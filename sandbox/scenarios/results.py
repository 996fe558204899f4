"""What a scenario leaves behind, as anybody can read it from the account."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from moto.sns.models import sns_backends

from sandbox.account import LocalAccount


@dataclass
class Run:
    """One execution as anybody can read it from Step Functions.

    chapter: 0 for what the alarms started in the beginning. alarm: whether an alarm started it.
    """

    execution: str
    service: str
    status: str
    error: str | None
    states: int
    report: dict[str, Any]
    chapter: int = 0
    alarm: bool = False

    @property
    def outcome(self) -> str:
        return str(self.report.get("outcome", self.status))

    @property
    def attached(self) -> tuple[str, ...]:
        """Names of the policies that the run attached."""
        changes = [change for change in self.report.get("changes", ()) if change["kind"] == "attach"]
        return tuple(change["value"].rpartition("/")[2] for change in changes)

    @property
    def codes(self) -> list[str]:
        """Codes of what the run found."""
        return [finding["code"] for finding in self.report.get("findings", ())]


@dataclass
class ChapterResult:
    """A chapter's end: fingerprints of the account before and after it, and the names of the policies that
    each role has now and did not have before the incident."""

    story: str
    account_before: str
    account_after: str
    granted: dict[str, list[str]]


@dataclass
class Message:
    """A notification that the topic sent."""

    subject: str
    text: str


@dataclass
class Result:
    """How the scenario ended; `complaints` is empty if it passed.

    log_reads: how many pages of each log group Diagnose read. throttled: how many requests of each function
    AWS refused because there were too many.
    """

    scenario: str
    ok: bool = False
    complaints: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    predictions: dict[str, int] = field(default_factory=dict)
    log_reads: dict[str, int] = field(default_factory=dict)
    throttled: dict[str, int] = field(default_factory=dict)
    account_before: str = ""
    account_after: str = ""
    simulated_seconds: float = 0
    chapters: list[ChapterResult] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def read_run(account: LocalAccount, arn: str, chapter: int, alarm: bool) -> Run:
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
        chapter=chapter,
        alarm=alarm,
    )


def read_messages(account: LocalAccount) -> list[Message]:
    """What was published to the topics, oldest first; no API of SNS shows it."""
    topics = sns_backends[account.account_id][account.region].topics.values()
    return [Message(sent[2] or "", sent[1]) for topic in topics for sent in topic.sent_notifications]


def read_log_reads(account: LocalAccount) -> dict[str, int]:
    return dict(
        Counter(
            str(call.parameters.get("logGroupName"))
            for call in account.calls
            if call.operation == "FilterLogEvents" and str(call.function).endswith("-diagnose")
        )
    )


def read_throttled(account: LocalAccount) -> dict[str, int]:
    return dict(
        Counter(
            call.function.partition("-")[2]
            for call in account.calls
            if call.function and call.error and call.error.startswith("Throttling")
        )
    )
