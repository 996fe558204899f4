"""What started the run: a person's console input, or an event exactly as EventBridge delivers it.

Event text is data. The service's name from an alarm is only ever a key to look up in the catalogue, and
only if it has the shape of an ECS name. What CloudTrail's events may say is in regrant.opening.denied_call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from msgspec.structs import replace

from regrant.model.catalogue import Named, Service, named_service, parse_service
from regrant.model.results import Refusal
from regrant.model.run import Mode
from regrant.opening.ended_run import AUDIT_SOURCE, EVENT, read_ended_run
from regrant.opening.muted import refused_as_muted
from regrant.opening.request import EXAMPLE, Request, as_input, asked_incident, asked_mode, shown
from regrant.settings import Allowed, Settings

AUDIT = "Regrant Audit"
"""The detail-type with which the audit starts the run of an alarm that is still in ALARM; its detail is as
that of the alarm's own event."""
ALARMS = ("CloudWatch Alarm State Change", AUDIT)
"""Both."""
CALL = "AWS API Call via CloudTrail"


def read_trigger(raw: object, settings: Settings, allowed: Callable[[], Allowed]) -> Request:
    """The request in an execution's input. Never raises: what is wrong with it is its refusal."""
    if not isinstance(raw, Mapping):
        return Request("contain", "a person", refusal=_invalid("The input is not a JSON object."))
    if "detail-type" in raw or "detail" in raw:
        return _read_event(raw, settings, allowed)
    mode, named = asked_mode(raw), named_service(raw.get("service"))
    asked = Request(
        mode=mode_of(raw),
        # A schedule starts an expiry with the same input that a person types.
        trigger="a schedule or a person" if mode == "expire" else "a person",
        service=named.service if named else None,
        incident=asked_incident(raw, lambda: settings.state_machine),
    )
    refusal = _wrong_input(raw, mode, asked) or (_elsewhere(named, settings) if named else None)
    return replace(asked, refusal=refusal)


def mode_of(raw: object) -> str:
    """The mode that an execution's input asks for, whatever that is, for a person to read."""
    if not isinstance(raw, Mapping):
        return "contain"
    mode = "rollback" if raw.get("detail-type") == EVENT and "mode" not in raw else asked_mode(raw)
    return mode if isinstance(mode, str) and mode.isprintable() and len(mode) <= 20 else shown(mode)


def _wrong_input(raw: Mapping[str, Any], mode: object, asked: Request) -> Refusal | None:
    unknown = sorted(set(map(str, raw)) - {"service", "mode", "incident"})
    if unknown:
        some = ", ".join(map(shown, unknown[:5]))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        return _invalid(f"The input has unknown keys: {some}{more}.")
    if mode not in get_args(Mode):
        return Refusal(
            "UNKNOWN_MODE",
            f"There is no mode {shown(mode)}.",
            f"Use one of {', '.join(get_args(Mode))}:{EXAMPLE}",
        )
    if mode in ("rollback", "expire", "keep"):
        return _wrong_incident(raw, asked)
    if "incident" in raw:
        return _invalid("Only modes rollback, expire and keep take an incident.")
    if asked.service is None:
        if "service" not in raw:
            return _invalid("The input names no service.")
        return _invalid(f"The service {shown(raw.get('service'))} is not of the form <cluster>/<service>.")
    return None


def _elsewhere(named: Named, settings: Settings) -> Refusal | None:
    """An ARN or an address says where the service is, and a namesake here is not meant."""
    if named.region is None and named.account is None:
        return None
    region, account = settings.place
    if (named.region or region, named.account or account) == (region, account):
        return None
    there = ", ".join(filter(None, (named.account and f"account {named.account}", named.region)))
    return _invalid(f"{named.service} is in {there}; this runbook works in account {account}, {region}.")


def _wrong_incident(raw: Mapping[str, Any], asked: Request) -> Refusal | None:
    if asked.incident is None:
        given = f"The incident {shown(raw['incident'])} is not" if "incident" in raw else "The input lacks"
        return Refusal(
            "INVALID_INPUT",
            f"{given} the name of an execution of this runbook.",
            f"Give the run that made the changes:{as_input(mode=asked.mode, incident='<execution name>')}",
        )
    if "service" in raw:
        return _invalid(
            f"Mode {asked.mode} takes the incident only; the service is in the incident's journal."
        )
    return None


def _read_event(raw: Mapping[str, Any], settings: Settings, allowed: Callable[[], Allowed]) -> Request:
    kind, detail = raw.get("detail-type"), raw.get("detail")
    if not isinstance(detail, Mapping) or kind not in (*ALARMS, CALL, EVENT):
        refusal = Refusal(
            "EVENT_NOT_SUPPORTED",
            f"Events of type {shown(kind)} start nothing here.",
            "Send a CloudWatch Alarm State Change event of an enrolled service's alarm, an AWS API Call via"
            " CloudTrail event of a denied call, or a Step Functions Execution Status Change event of a run.",
        )
        return Request("contain", f"an event of type {shown(kind)}", automatic=True, refusal=refusal)
    if elsewhere := _of_another_place(raw, settings):
        return Request(mode_of(raw), f"an event of type {shown(kind)}", automatic=True, refusal=elsewhere)
    if kind in ALARMS:
        by = "the audit, for alarm" if kind == AUDIT else "alarm"
        return _read_alarm(detail, settings.alarm_prefix, by)
    if kind == CALL:
        # Imported here: its patterns take 10 ms to compile, at a cold start that alarms and people wait for.
        from regrant.opening.denied_call import read_denied_call

        return read_denied_call(detail, allowed())
    return read_ended_run(detail, settings, by_audit=raw.get("source") == AUDIT_SOURCE)


def _of_another_place(raw: Mapping[str, Any], settings: Settings) -> Refusal | None:
    """An event of another account or Region, where the same names are others'. The rules do not match it, so
    it came past them. Each event of AWS has both (EventBridge user guide, Event structure), and says by ARN
    which alarm or execution it is about."""
    place = settings.place
    given, about = (raw.get("region"), raw.get("account")), raw.get("resources", [])
    ours = isinstance(about, list | tuple) and all(
        tuple(str(each).split(":")[3:5]) == place for each in about
    )
    if given == place and ours:
        return None
    region, account = map(shown, given) if ours else ("another", "another")
    return Refusal(
        "OTHER_ACCOUNT",
        f"The event is of account {account}, Region {region}; this runbook works in account {place[1]},"
        f" {place[0]}.",
        "Correct what sent it. The rules of the stack match events of its account and Region only.",
    )


def _read_alarm(detail: Mapping[str, Any], alarm_prefix: str, by: str) -> Request:
    name, state = detail.get("alarmName"), detail.get("state")
    ours = isinstance(name, str) and name.startswith(alarm_prefix)
    service = parse_service(str(name).removeprefix(alarm_prefix)) if ours else None
    if service is None:
        other = _other_alarm(name, alarm_prefix)
        return Request("contain", f"{by} {shown(name)}", automatic=True, refusal=other)
    if refusal := _other_kind(service, detail.get("configuration")):
        return Request("contain", f"{by} {name}", service=service, automatic=True, refusal=refusal)
    value = state.get("value") if isinstance(state, Mapping) else None
    since = state.get("timestamp") if isinstance(state, Mapping) else None
    at = f" at {since}" if isinstance(since, str) and re.fullmatch(r"[0-9T:.+Z-]{10,40}", since) else ""
    return Request(
        mode="contain",
        trigger=f"{by} {name}{at}",
        service=service,
        automatic=True,
        refusal=_held_back(str(name), detail, state) if value == "ALARM" else _not_firing(str(name), value),
    )


def _held_back(name: str, detail: Mapping[str, Any], state: object) -> Refusal | None:
    return refused_as_muted(name, detail) or _suppressed(name, state)


def _suppressed(name: str, state: object) -> Refusal | None:
    """A composite alarm whose actions its suppressor holds back: the state has `actionsSuppressedBy` then,
    WaitPeriod, ExtensionPeriod or Alarm, and another event without it follows when that ends (CloudWatch user
    guide, Alarm events and EventBridge; Alarm suppression)."""
    by = state.get("actionsSuppressedBy") if isinstance(state, Mapping) else None
    if not by:
        return None
    return Refusal(
        "ALARM_SUPPRESSED",
        f"Alarm {name} went to ALARM, and its actions are suppressed ({shown(by)}).",
        "Nothing to do. When the suppression ends and the alarm is still in ALARM, a run is started.",
        outcome="NOTHING_TO_FIX",
    )


def _other_kind(service: Service, configuration: object) -> Refusal | None:
    """A metric alarm's configuration has metrics, a composite one's a rule (CloudWatch user guide,
    Alarm events and EventBridge). What a log alarm has, and when it goes to ALARM, was never tried."""
    if not isinstance(configuration, Mapping) or configuration.keys() & {"metrics", "alarmRule"}:
        return None
    return Refusal(
        "UNSUPPORTED_ALARM",
        f"The alarm for {service} is neither a metric alarm nor a composite one, such as a log alarm.",
        "Let the alarm of enrol/service.yaml start the runs of this service, and name the other one"
        f" differently. Start this one by hand:{as_input(service=str(service), mode='contain')}",
    )


def _not_firing(name: str, value: object) -> Refusal:
    return Refusal(
        "ALARM_NOT_FIRING",
        f"Alarm {name} went to {shown(value)}, not to ALARM.",
        "Nothing to do. The rule should match state.value ALARM only.",
        outcome="NOTHING_TO_FIX",
    )


def _other_alarm(name: object, alarm_prefix: str) -> Refusal:
    return Refusal(
        "OTHER_ALARM",
        f"Alarm {shown(name)} belongs to no enrolled service.",
        f"Alarms that start a run are named {alarm_prefix}<cluster>/<service>: enrol the service.",
    )


def _invalid(message: str) -> Refusal:
    return Refusal("INVALID_INPUT", message, f"Start it like this:{EXAMPLE}")
