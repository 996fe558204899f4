"""Whether a scenario passed: by the runs' reports, and by the account, whatever the reports say of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.scenarios.narrator import Narrator
from sandbox.scenarios.results import Result, Run
from sandbox.scenarios.scenarios import Chapter, Scenario
from sandbox.scenarios.seeds import retainwise
from sandbox.scenarios.snapshot import difference

GOOD = ("CONTAINED", "CURED", "PLANNED", "NOTHING_TO_FIX", "REFUSED")


def misjudged_runs(scenario: Scenario, result: Result) -> Iterator[str]:
    """Where the runs differ from what the scenario expects."""
    first = [run for run in result.runs if run.chapter == 0]
    yield from _outcomes(first, scenario.outcomes)
    for run in result.runs:
        if (run.status == "SUCCEEDED") != (run.outcome in GOOD):
            yield f"{run.service}: status {run.status} with outcome {run.outcome}"
    for run in first:
        if run.service in scenario.findings and scenario.findings[run.service] not in run.codes:
            yield f"{run.service}: found {run.codes}, not {scenario.findings[run.service]}"
        attached = run.attached
        if run.service in scenario.attached and attached != scenario.attached[run.service]:
            yield f"{run.service}: attached {attached}, not {scenario.attached[run.service]}"
    spared = [function for function in scenario.throttled if not result.throttled.get(function)]
    if spared:
        yield f"no request of {', '.join(spared)} was throttled"
    for number, chapter in enumerate(scenario.then, 1):
        mine = [run for run in result.runs if run.chapter == number]
        yield from (f"{chapter.story} {text}" for text in _misjudged_chapter(chapter, mine))
    if scenario.most_log_reads is not None:
        for group, reads in result.log_reads.items():
            if reads > scenario.most_log_reads:
                yield f"Diagnose read {reads} pages of {group}, not {scenario.most_log_reads} at most"


def _misjudged_chapter(chapter: Chapter, runs: list[Run]) -> Iterator[str]:
    counted = [run for run in runs if not run.alarm]
    yield from _outcomes(counted, chapter.outcomes)
    for run in counted:
        missing = [code for code in chapter.findings.get(run.service, ()) if code not in run.codes]
        if missing:
            yield f"{run.service}: found {run.codes}, not {missing}"
    for run in runs:
        harmless = run.service in chapter.denied and run.outcome in ("REFUSED", "NOTHING_TO_FIX")
        if run.alarm and not harmless:
            yield f"{run.service}: an alarm started a run that ended {run.outcome}"


def _outcomes(runs: list[Run], expected: Mapping[str, str]) -> Iterator[str]:
    outcomes = sorted((run.service, run.outcome) for run in runs)
    if outcomes != sorted(expected.items()):
        yield f"runs ended {outcomes}, not {sorted(expected.items())}"


def misjudged_account(scenario: Scenario, states: list[dict[str, Any]]) -> Iterator[str]:
    """Where the account differs from what is expected, by snapshots before and after each chapter."""
    before, after = states[0], states[-1]
    if scenario.restored and before != after:
        yield f"the account is not what it was: {'; '.join(difference(before, after))}"
    if scenario.attached:
        added = granted(before, after)
        wanted = {policy for policies in scenario.attached.values() for policy in policies}
        if added != {scenario.role: sorted(wanted)}:
            yield f"roles gained {added}, not {scenario.role} {sorted(wanted)}"
    for name in scenario.moved:
        (service,) = (state for arn, state in after["services"].items() if arn.endswith(f"/{name}"))
        deployments = [(status, rollout) for _, status, rollout in service["deployments"]]
        if not service["taskRole"].endswith(f"/{scenario.role}") or deployments != [("PRIMARY", "COMPLETED")]:
            yield f"{name} runs with {service['taskRole']}, its deployments are {deployments}"
    for number, chapter in enumerate(scenario.then, 1):
        was, is_ = states[number], states[number + 1]
        yield from (f"{chapter.story} {text}" for text in _misjudged_state(chapter, before, was, is_))


def _misjudged_state(
    chapter: Chapter, first: dict[str, Any], was: dict[str, Any], now: dict[str, Any]
) -> Iterator[str]:
    if chapter.restored and was != now:
        yield f"The account is not what it was: {'; '.join(difference(was, now))}"
    old = first["roles"][retainwise.OLD_ROLE]
    attached = sorted([*old["attached"], *map(retainwise.policy_arn, chapter.granted)])
    expected = first["roles"] | {retainwise.OLD_ROLE: old | {"attached": attached}}
    if expected != now["roles"]:
        yield f"The roles are not as expected: {'; '.join(difference(expected, now['roles']))}"
    if bool(now["schedules"]) != bool(chapter.granted):
        yield f"{len(now['schedules'])} ends are scheduled, where {chapter.granted} is granted."
    for name in (name for name, outcome in chapter.outcomes.items() if outcome == "CURED"):
        entry = now["parameters"][f"/regrant/services/{retainwise.CLUSTER}/{name}"]
        declared = json.loads(entry)["task_role"]
        used = next(s["taskRole"] for arn, s in now["services"].items() if arn.endswith(f"/{name}"))
        if used != declared:
            yield f"{name} runs with {used}, not {declared}."


def granted(first: dict[str, Any], now: dict[str, Any]) -> dict[str, list[str]]:
    """The policies (names) that each role has now and had not in the first snapshot."""
    more = {
        role: set(state["attached"]) - set(first["roles"].get(role, {"attached": ()})["attached"])
        for role, state in now["roles"].items()
    }
    return {role: sorted(arn.rpartition("/")[2] for arn in arns) for role, arns in more.items() if arns}


def misjudged_predictions(scenario: Scenario, narrator: Narrator, known: set[str]) -> Iterator[str]:
    """Where the services' work differs from what is expected. known: the predictions that came earlier."""
    if not scenario.repaired:
        return
    seen = {status for statuses in narrator.histories.values() for status in statuses}
    if not {"QUEUED", "PROCESSING", "COMPLETED"} <= seen:
        yield f"predictions were only ever seen {sorted(seen)}"
    if not narrator.drained:
        yield f"predictions are stuck: {dict(narrator.predictions)}"
    if not narrator.done_since(known):
        yield "no prediction that came in the end was seen QUEUED, PROCESSING and COMPLETED"
