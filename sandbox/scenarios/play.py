"""Plays a scenario: the account comes up, breaks, and whatever happens then is judged from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from sandbox.account import LocalAccount
from sandbox.scenarios.judgement import granted, misjudged_account, misjudged_predictions, misjudged_runs
from sandbox.scenarios.narrator import Narrator
from sandbox.scenarios.results import (
    ChapterResult,
    Result,
    read_log_reads,
    read_messages,
    read_run,
    read_throttled,
)
from sandbox.scenarios.scenarios import Chapter, Scenario
from sandbox.scenarios.seeds import retainwise, retainwise_account
from sandbox.scenarios.snapshot import fingerprint, snapshot

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
LIMIT = 2 * 3600.0
"""Simulated seconds after which a scenario, or a chapter of it, is given up."""

IAM_LAG = 4.0
"""Simulated seconds until a new attachment is felt; about what has been measured on AWS."""

LEISURE = 60
"""How many times longer workloads in this process rest while a day passes: each of their turns takes time."""
AWAKE, HERE = 1200.0, 60.0
"""Simulated seconds before the end of a grant at which the workloads return to their usual pace, and at which
the narrator looks again."""

ECHO = 90.0
"""Simulated seconds after which no alarm fires for an earlier denial any more."""


def play(account: LocalAccount, scenario: Scenario, say: Callable[[str], None] = lambda line: None) -> Result:
    """Break the account, let alarm and runbook do their work, and judge what is there afterwards."""
    outputs = account.deploy(TEMPLATE, retainwise.PARAMETERS)
    retainwise_account.create(account, variant=scenario.variant)
    # What the seed attached has been there for long, so only later changes are felt late.
    account.clock.call_later(IAM_LAG, lambda: setattr(account.faults, "iam_lag", IAM_LAG))
    account.rates.others = scenario.others
    narrator = Narrator(account, outputs["RunbookArn"], say)
    states = [snapshot(account)]
    narrator.watch()
    if scenario.does:
        scenario.does(account)

    def ended() -> bool:
        return narrator.over(len(scenario.outcomes)) and (not scenario.repaired or narrator.drained)

    account.clock.run(until=ended, limit=LIMIT)
    states.append(snapshot(account))
    for number, chapter in enumerate(scenario.then, 1):
        narrator.begin(number, chapter.story)
        _play(account, narrator, chapter)
        states.append(snapshot(account))
    known = set(narrator.histories)
    if scenario.repaired:
        account.clock.run(until=lambda: narrator.done_since(known), limit=LIMIT)
    narrator.look()
    result = Result(
        scenario=scenario.name,
        runs=[read_run(account, arn, seen.chapter, seen.alarm) for arn, seen in narrator.runs.items()],
        predictions=dict(narrator.predictions),
        log_reads=read_log_reads(account),
        throttled=read_throttled(account),
        account_before=fingerprint(states[0]),
        account_after=fingerprint(states[-1]),
        simulated_seconds=account.clock.elapsed(),
        chapters=[
            ChapterResult(chapter.story, fingerprint(was), fingerprint(now), granted(states[0], now))
            for chapter, (was, now) in zip(scenario.then, pairwise(states[1:]), strict=True)
        ],
        messages=read_messages(account),
    )
    result.complaints = [
        *misjudged_runs(scenario, result),
        *misjudged_account(scenario, states),
        *misjudged_predictions(scenario, narrator, known),
    ]
    result.ok = not result.complaints
    return result


def _play(account: LocalAccount, narrator: Narrator, chapter: Chapter) -> None:
    if chapter.does:
        chapter.does(account)
    if chapter.expiry:
        _pass_time(account, narrator)
    if chapter.starts:
        sfn = account.client("stepfunctions")
        sfn.start_execution(stateMachineArn=narrator.machine, input=json.dumps(chapter.starts))
    account.clock.run(until=lambda: narrator.over(len(chapter.outcomes)), limit=LIMIT)
    if chapter.denied:
        # The alarm sees a denial up to a minute later, and may start a run that has nothing left to do.
        account.clock.run_for(ECHO)
        account.clock.run(until=lambda: narrator.over(len(chapter.outcomes)), limit=LIMIT)


def _pass_time(account: LocalAccount, narrator: Narrator) -> None:
    """Until HERE before the end of the first grant, as fast as the clock goes, with nobody looking."""
    clock = account.clock
    left = (_next_end(account) - clock.now()).total_seconds()
    narrator.look_away()
    clock.pace, account.idle_factor = None, LEISURE
    clock.run_for(left - AWAKE)
    account.idle_factor = 1
    clock.run_for(AWAKE - HERE)
    clock.pace = account.pace
    narrator.watch()


def _next_end(account: LocalAccount) -> datetime:
    """The time of the earliest schedule. Raises ValueError if there is none."""
    expressions = [schedule["expression"] for schedule in snapshot(account)["schedules"].values()]
    return min(datetime.strptime(each, "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=UTC) for each in expressions)
