"""The incident of events/, twice: once with the handlers in this process, once with them in a runtime.

Both accounts are made from the same seed, and their clocks stand still but for the rollout's time. So
whatever differs, in an answer, in the calls of AWS or in the account afterwards, the runtime has made.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from moto.core.responses import ActionResult
from moto.stepfunctions.responses import StepFunctionResponse

from regrant.aws.roles import IamRoles
from regrant.baseline.drift import digest_of_entry, rest_of
from regrant.iam.policy import Policy
from runtimes.steps import STACK, Step
from sandbox.account import LocalAccount
from sandbox.engine.core import Call
from sandbox.engine.gateway import ADMINISTRATOR
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import retainwise, retainwise_account
from sandbox.scenarios.snapshot import difference, snapshot

BROKEN_AT = datetime(2025, 11, 11, 21, 50, 45, tzinfo=UTC)
SEEN_AT = datetime(2025, 11, 11, 21, 52, 14, tzinfo=UTC)
"""When events/open_incident.json is; the alarm has seen the denials by then."""
ROLLOUT_SECONDS = 240.0
"""From the new deployment to where events/close_incident.json is: the only time that passes."""

BASELINE_DEPLOYMENT = "ecs-svc/4026531840000000041"
NEW_DEPLOYMENT = "ecs-svc/4026531840000000042"
"""The deployments that events/ names, before the incident and of its run."""
ROLE_ID = "AROARZPUZDIKEXAMPLEID"
"""The RoleId of the role in use there."""
POLICY_ID = "ANPARZPUZDIKRECEIVEID"
POLICY_TEXT = "eab5db3be135179755ba106353bf86d013fe6ebbf8f3493d4503c27e9566ac15"
ENTRY_TEXT = "da191ed067f07a2b9741fce2d4f2331a484155f9b56fd640b7de14fb43b9c414"
ROLE_TEXT = "4afb3b761496200ea615ae29314f6465e6d55fba2dc769cd697f4f6babe9956c"
"""The worker's policy there: its PolicyId, the SHA-256 of its document, that of the worker's entry, and that
of the role in use without its attachments."""
PLANNED = ("attach_policies", "redeploy_service", "close_incident")
"""They get the baseline as CaptureBaseline has made it in this account."""
CURE = "withdraw_grants"
"""A cure that comes after the undo, so that both the undo and the cure have a grant to detach."""


@dataclass(frozen=True)
class Answer:
    """What an invocation returned, and the AWS calls that it made, sorted."""

    step: str
    payload: Any
    calls: tuple[str, ...]


Runtime = Callable[[Step], AbstractContextManager[Callable[[Any], Any]]]
"""Starts a step's function. Inside, each call sends it an event and returns the payload, parsed."""

Outcome = tuple[list[Answer], dict[str, Any]]
"""The answers, and the account after the last."""


@contextmanager
def account_of_the_incident(http_host: str | None = None) -> Iterator[LocalAccount]:
    """The seed's account when its denials have been seen and no run has begun. Rules start none."""
    port = None if http_host is None else 0
    with LocalAccount(start=BROKEN_AT, http_port=port, http_host=http_host or "127.0.0.1") as account:
        account.rates.lift()
        account.functions.time = time.time  # as in the runtimes that this process is compared with
        account.deploy(TEMPLATE, retainwise.PARAMETERS, STACK)
        events: Any = account.client("events")
        for rule in events.list_rules()["Rules"]:
            events.disable_rule(Name=rule["Name"])
        retainwise_account.create(account)
        account.clock.run_for((SEEN_AT - BROKEN_AT).total_seconds())
        yield account


def play(account: LocalAccount, steps: Sequence[Step], runtime: Runtime, times: int) -> Outcome:
    """Send each event that often, as any step may run twice, with this account's own ids in it."""
    answers, marks = [], list[Any]()
    ids = {BASELINE_DEPLOYMENT: _primary(account), ROLE_ID: _role_id(account), **_texts(account)}
    for step in steps:
        if step.name == CURE:
            _grant_again(account, steps, ids)
        event = with_ids(step.event, ids)
        if "baseline" in event.get("state", {}) and step.name in PLANNED:
            event["state"]["baseline"] = marks[-1]
        with runtime(step) as invoke, sent(account, step, event):
            for _ in range(times):
                before = len(account.calls)
                payload = invoke(event)
                made = [call for call in account.calls[before:] if call.principal != ADMINISTRATOR]
                answers.append(Answer(step.name, _comparable(payload), tuple(sorted(map(_line, made)))))
        if step.name == "capture_baseline":
            marks.append(payload)
        if step.name == "redeploy_service":
            ids[NEW_DEPLOYMENT] = _primary(account)
            account.clock.run_for(ROLLOUT_SECONDS)
    return answers, snapshot(account)


def _grant_again(account: LocalAccount, steps: Sequence[Step], ids: Mapping[str, str]) -> None:
    """In this process: another run attaches what the undo has detached."""
    cure = next(step for step in steps if step.name == CURE)
    client: Any = account.client("lambda")
    mark: Any = None
    for name in ("capture_baseline", "attach_policies"):
        step = next(step for step in steps if step.name == name)
        event = with_ids(step.event, {**ids, step.event["state"]["incident"]["id"]: "try-2"})
        event["now"] = cure.event["state"]["incident"]["opened_at"]
        event["state"] |= {"baseline": mark} if mark else {}
        with sent(account, step, event):
            answer = client.invoke(FunctionName=step.function, Payload=json.dumps(event))
        mark = json.loads(answer["Payload"].read())


@contextmanager
def sent(account: LocalAccount, step: Step, event: Any) -> Iterator[None]:
    """Inside, the account's Step Functions says that a run has sent the event to the step's function."""
    arn = f"arn:aws:lambda:{account.region}:{retainwise.ACCOUNT}:function:{step.function}"
    payload = {"FunctionName": arn, "Payload": event}
    scheduled = {"taskScheduledEventDetails": {"parameters": json.dumps(payload)}}
    events = [{"id": 1, "previousEventId": 0, "timestamp": 0, "type": "TaskScheduled"} | scheduled]
    with patch.object(
        StepFunctionResponse, "get_execution_history", lambda _: ActionResult({"events": events})
    ):
        yield


def in_order(steps: Sequence[Step]) -> list[Step]:
    """By the time of their events: the incident is closed before it is undone, and undone before the cure."""
    return sorted(steps, key=lambda step: str(step.event.get("now", "9")))


def with_ids(event: Any, ids: Mapping[str, str]) -> Any:
    """The event with an account's own deployments and role in the place of those that events/ names."""
    text = json.dumps(event)
    for written, own in ids.items():
        text = text.replace(written, own)
    return json.loads(text)


def _primary(account: LocalAccount) -> str:
    ecs: Any = account.client("ecs")
    [service] = ecs.describe_services(cluster=retainwise.CLUSTER, services=[retainwise.WORKER])["services"]
    return next(str(each["id"]) for each in service["deployments"] if each["status"] == "PRIMARY")


def _role_id(account: LocalAccount) -> str:
    iam: Any = account.client("iam")
    return str(iam.get_role(RoleName=retainwise.OLD_ROLE)["Role"]["RoleId"])


def _texts(account: LocalAccount) -> dict[str, str]:
    """Which texts this account has, in the place of those that events/ names."""
    iam: Any = account.client("iam")
    ssm: Any = account.client("ssm")
    arn = f"arn:aws:iam::{retainwise.ACCOUNT}:policy/retainwise/{retainwise.RECEIVE}"
    shape = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=shape["DefaultVersionId"])["PolicyVersion"]
    mark = Policy(arn, version["Document"], shape["DefaultVersionId"], shape["PolicyId"]).mark
    name = f"/regrant/services/{retainwise.CLUSTER}/{retainwise.WORKER}"
    entry = digest_of_entry(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    role = IamRoles(iam).read(f"arn:aws:iam::{retainwise.ACCOUNT}:role/{retainwise.OLD_ROLE}")
    assert role is not None
    return {ROLE_TEXT: rest_of(role), POLICY_ID: mark.id, POLICY_TEXT: mark.sha256, ENTRY_TEXT: str(entry)}


def in_process(steps: Sequence[Step], times: int) -> Outcome:
    """What the handlers answer in this process."""
    with account_of_the_incident() as account:
        client: Any = account.client("lambda")

        @contextmanager
        def runtime(step: Step) -> Iterator[Callable[[Any], Any]]:
            def invoke(event: Any) -> Any:
                answer = client.invoke(FunctionName=step.function, Payload=json.dumps(event))
                return json.loads(answer["Payload"].read())

            yield invoke

        return play(account, steps, runtime, times)


def complaints(expected: Outcome, seen: Outcome) -> list[str]:
    """What is not as in this process, and what is an error in either, a line each. The incident has none."""
    found = []
    for ours, theirs in zip(expected[0], seen[0], strict=True):
        errors = [each.payload for each in (ours, theirs) if is_error(each.payload)]
        found += [f"{ours.step}: failed with {shown(error)}" for error in errors[:1]]
        found += [f"{ours.step}: {each}" for each in difference(ours.payload, theirs.payload)]
        wanted, made = Counter(ours.calls), Counter(theirs.calls)
        found += [f"{ours.step}: did not call {call}" for call in (wanted - made).elements()]
        found += [f"{ours.step}: called {call}" for call in (made - wanted).elements()]
    return found + [f"afterwards: {each}" for each in difference(expected[1], seen[1])]


def is_error(payload: Any) -> bool:
    return isinstance(payload, dict) and "errorType" in payload


def show(wrong: list[str]) -> None:
    """Print complaints, as many and as much of each as a person reads."""
    for each in wrong[:20]:
        print(f"WRONG: {each[:400]}")
    if len(wrong) > 20:
        print(f"WRONG: and {len(wrong) - 20} more")


def shown(payload: Any) -> str:
    """An answer in a few words."""
    if not isinstance(payload, dict):
        return str(payload)[:70]
    if is_error(payload):
        return f"{payload['errorType']}: {payload['errorMessage'][:50]}"
    answer = payload["incident"] if isinstance(payload.get("incident"), dict) else payload
    # In a report `next` is a sentence, and the outcome says how the run ended.
    keys = ("outcome",) if "outcome" in answer else ("next", "verdict", "equal")
    words = [f"{key}={answer[key]}" for key in keys if key in answer]
    return " ".join(words) or "answered " + ", ".join(payload)[:60]


def variables(account: LocalAccount, step: Step) -> tuple[dict[str, str], int, int]:
    """(what the deployed function has in its environment to reach this account as its own role, its time-out
    in seconds, its memory in MB).
    """
    client: Any = account.client("lambda")
    shown = client.get_function_configuration(FunctionName=step.function)
    role = shown["Role"].rpartition("/")[2]
    assert account.endpoint_url is not None
    environment = {
        **shown["Environment"]["Variables"],
        **account.role_credentials(role, step.function),
        "AWS_REGION": account.region,
        "AWS_DEFAULT_REGION": account.region,
        "AWS_ENDPOINT_URL": account.endpoint_url,
    }
    return environment, shown["Timeout"], shown["MemorySize"]


def _comparable(payload: Any) -> Any:
    """Without what no two invocations share: the request's id, and the paths of the code in a trace."""
    if is_error(payload):
        return {key: payload[key] for key in ("errorType", "errorMessage")}
    return payload


def _line(call: Call) -> str:
    who = call.principal.rpartition("/")[2]
    ending = f" {call.error}" if call.error else ""
    return f"{who} {call.service}:{call.operation} {call.resource}{ending}"
