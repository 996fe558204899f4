"""Inputs bent in many ways: OpenIncident answers each, accepts only what is valid, and changes nothing.

What is valid is said here a second time, from the public surface (docs/operations.md), not asked of the code
that is tried. One event of each code of refusal, and every 500th of all, goes to the state machine as well.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from moto.awslambda.models import lambda_backends

from sandbox.chaos.forks import Ending, Forks, Point
from sandbox.chaos.world import BACKEND, WORKER, World, world
from sandbox.iam.requests import ACCOUNT, REGION
from sandbox.scenarios.seeds import retainwise

BENT = 10_000
_EVENTS = Path(__file__).resolve().parents[2] / "events"
_FILES = (
    *("console", "console-plan", "console-rollback", "alarm", "cloudtrail", "ended-run"),
    *("console-cure", "console-expire"),
)
_CHANGES = ("Put", "Attach", "Detach", "Update", "Delete", "Create", "Register", "Start", "Publish")
_EACH = 500

_JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        [
            *(
                "",
                " ",
                "*",
                "..",
                "$.x",
                "a/b",
                "a/b/c",
                "contain",
                "rollback",
                "plan",
                "cure",
                "expire",
                "keep",
                "ALARM",
                "OK",
            ),
            *(WORKER, BACKEND, f"{WORKER} ", f"/{WORKER}", WORKER.upper(), f"regrant/{WORKER}", "x" * 5000),
            *(
                "ABORTED",
                "SUCCEEDED",
                "AccessDenied",
                "CloudWatch Alarm State Change",
                "\u202e",
                "a\nb",
                "\0",
            ),
            *("service", "state", "incident", "refusal"),
        ]
    )
)
_JSON = st.recursive(
    _JUNK, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)


@dataclass
class Tally:
    """accepted: those that are valid all the same. ran: executions of the whole state machine."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    ran: int = 0
    codes: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def bend(forks: Forks, number: int, chance: int) -> None:
    """Try that many. What is wrong is reported as points that ended other."""
    with world("broken", chance) as there:
        there.start({"service": WORKER})
        there.rest()
        there.rehearsed()
        tally, bases = Tally(), _bases(there)
        for base in bases:
            _try(there, base, tally)
        assert tally.accepted == len(bases) - 1, (
            f"{tally.wrong}: {tally.codes}"
        )  # the run that ended is closed

        @seed(chance)
        @settings(
            max_examples=number,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(_bent(bases))
        def each(event: object) -> None:
            _try(there, event, tally)

        each()
        for wrong in tally.wrong:
            forks.report(
                Ending(Point("events", wrong, "bent event"), "other", "not answered as it should be")
            )
        forks.note(
            "events",
            {
                "tried": tally.tried,
                "refused": tally.refused,
                "still_valid": tally.accepted,
                "executions": tally.ran,
                "refusal_codes": len(tally.codes),
                "wrong": len(tally.wrong),
            },
        )


def _bases(there: World) -> list[Any]:
    events = [json.loads((_EVENTS / f"{name}.json").read_text()) for name in _FILES]
    events[2]["incident"] = events[7]["incident"] = there.first
    ecs: Any = there.account.client("ecs")
    task = ecs.list_tasks(cluster=retainwise.CLUSTER, serviceName=retainwise.WORKER)["taskArns"][0]
    identity = events[4]["detail"]["userIdentity"]
    before = identity["arn"].rpartition("/")[2]
    events[4] = json.loads(json.dumps(events[4]).replace(before, task.rpartition("/")[2]))
    events[5]["detail"] |= {"name": there.first, "stateMachineArn": there.machine}
    return events


@st.composite
def _bent(draw: st.DrawFn, bases: list[Any]) -> Any:
    event = copy.deepcopy(draw(st.sampled_from(bases)))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(event))
        if not places:
            return draw(_JSON)
        holder, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["drop", "replace", "change", "add", "graft"]))
        if how == "drop":
            del holder[key]
        elif how == "change" and isinstance(holder[key], str):
            holder[key] = draw(st.sampled_from(_altered(holder[key])))
        elif how == "add" and isinstance(holder, dict):
            holder[draw(st.sampled_from(["mode", "service", "incident", "detail"]) | st.text(max_size=9))] = (
                draw(_JSON)
            )
        elif how == "graft":
            holder[key] = copy.deepcopy(draw(st.sampled_from(bases)))
        else:
            holder[key] = draw(_JSON)
    return event


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _altered(text: str) -> list[str]:
    middle = len(text) // 2
    return [
        *(text.upper(), f" {text}", f"{text}\n", text[:-1], text[1:], text[:middle] + "/" + text[middle:]),
        *(text.replace("worker", "backend"), text.replace("123456789012", "999999999999"), text * 3),
        text.replace("-", "\u2011"),
    ]


def _try(there: World, event: object, tally: Tally) -> None:
    tally.tried += 1
    account, seen = there.account, len(there.account.calls)
    function = lambda_backends[account.account_id][account.region].get_function("regrant-open-incident")
    name = f"bent-{tally.tried}"
    moment = account.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = {"input": event, "now": moment, "execution": name, "started": moment}
    text, failed, _ = account.functions.invoke(function, payload)
    incident = {} if failed else json.loads(text)["incident"]
    refusal = incident.get("refusal")
    wrong = (
        failed or _changed(there, seen, incident.get("leased", False)) or _misjudged(there, event, incident)
    )
    if incident.get("leased"):
        there.give_back(f"{incident['service']['cluster']}/{incident['service']['name']}")
    tally.refused += refusal is not None
    tally.accepted += refusal is None
    code = refusal["code"] if refusal else ""
    if refusal and (code not in tally.codes or tally.tried % _EACH == 0):
        tally.codes.add(code)
        tally.ran += 1
        wrong = wrong or _ran_wrong(there, event, name)
    if wrong:
        tally.wrong.append(json.dumps(event)[:600])


def _ran_wrong(there: World, event: object, name: str) -> bool:
    """The whole state machine, for what OpenIncident refused: True if it ended otherwise or changed any."""
    seen, sfn = len(there.account.calls), there.account.client("stepfunctions")
    started: Any = sfn.start_execution(stateMachineArn=there.machine, name=name, input=json.dumps(event))
    there.rest()
    shown = sfn.describe_execution(executionArn=started["executionArn"])
    outcome = json.loads(shown.get("output") or "{}").get("outcome")
    calls = (c for c in there.account.calls[seen:] if c.function and c.service in ("iam", "ecs"))
    changed = any(call.operation.startswith(_CHANGES) for call in calls)
    return changed or outcome not in ("REFUSED", "NOTHING_TO_FIX")


def _changed(there: World, seen: int, leased: bool) -> bool:
    """Whether anything but the service's lease was changed; the function's role may write no other item."""
    calls = [call for call in there.account.calls[seen:] if call.function]
    changes = [call.operation for call in calls if call.operation.startswith(_CHANGES)]
    return changes != (["PutItem"] if leased else [])


def _misjudged(there: World, event: object, incident: Mapping[str, Any]) -> bool:
    service = incident.get("service") or {}
    named = f"{service.get('cluster')}/{service.get('name')}"
    wanted = _wanted(there, event)
    if incident.get("refusal") is not None:
        # An event of CloudTrail may be bent so that the call is nobody's any more, in ways not said here.
        return wanted is not None and _is_here(event) and not _is_of(event, "AWS API Call via CloudTrail")
    if isinstance(event, dict) and "detail" in event and not _is_here(event):
        return True
    return wanted != (incident["subject"] if incident["mode"] == "rollback" else named)


def _wanted(there: World, event: object) -> str | None:
    """The service (or, for an undo, the incident) that a valid input asks for; None for an invalid one."""
    if not isinstance(event, dict):
        return None
    detail: Any = event.get("detail")
    if _is_of(event, "CloudWatch Alarm State Change"):
        state = detail.get("state")
        firing = isinstance(state, dict) and state.get("value") == "ALARM"
        names = {f"regrant/{service}": service for service in (WORKER, BACKEND)}
        alarm, configured = detail.get("alarmName"), detail.get("configuration")
        known = not isinstance(configured, dict) or "metrics" in configured or "alarmRule" in configured
        return names.get(alarm) if firing and known and isinstance(alarm, str) else None
    if _is_of(event, "AWS API Call via CloudTrail"):
        code = str(detail.get("errorCode"))
        return WORKER if "AccessDenied" in code or "Unauthorized" in code else None
    if "detail" in event or "detail-type" in event or {*event} - {"service", "mode", "incident"}:
        return None
    mode = _plain(event.get("mode", "contain")).lower()
    if mode in ("rollback", "expire", "keep"):
        right = _plain(event.get("incident")) == there.first and "service" not in event
        return (there.first if mode == "rollback" else WORKER) if right else None
    valid = mode in ("plan", "contain", "cure") and "incident" not in event
    service = _plain(event.get("service"))
    return service if valid and service in (WORKER, BACKEND) else None


def _is_here(event: object) -> bool:
    """Of this account and Region, and about what is here. True for what a person types."""
    if not isinstance(event, dict) or "detail" not in event:
        return True
    about = event.get("resources", [])
    here = isinstance(about, list) and all(
        isinstance(each, str) and each.split(":")[3:5] == [REGION, ACCOUNT] for each in about
    )
    return here and (event.get("account"), event.get("region")) == (ACCOUNT, REGION)


def _plain(given: object) -> str:
    """A person's input without the blanks around it; nothing for what is no text."""
    return given.strip() if isinstance(given, str) else ""


def _is_of(event: object, kind: str) -> bool:
    return (
        isinstance(event, dict) and event.get("detail-type") == kind and isinstance(event.get("detail"), dict)
    )
