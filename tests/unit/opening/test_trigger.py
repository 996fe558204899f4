"""What may start a run, and what is refused with a reason."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrant.model.catalogue import Service, named_service, parse_service
from regrant.model.results import Refusal
from regrant.opening.request import Request
from regrant.opening.trigger import read_trigger
from regrant.settings import Allowed
from tests.unit.fakes import SETTINGS
from tests.unit.run import EVENTS

PREFIX = SETTINGS.alarm_prefix
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["service", "mode", "incident", "detail-type", "detail", "alarmName", "state", "value", "muteDetail"]
)
NAME_LIKE = st.text(st.sampled_from("aZ0_-/ .\n$*é"), max_size=12)


ELSEWHERE = "arn:aws:ecs:{region}:{account}:service/c/s"
CONSOLE = "console.aws.amazon.com/ecs"


def read(raw: object) -> Request:
    return read_trigger(raw, SETTINGS, Allowed)


def refused(raw: object) -> Refusal:
    refusal = read(raw).refusal
    assert refusal is not None
    return refusal


def accepted(raw: object) -> Request:
    answer = read(raw)
    assert answer.refusal is None
    return answer


def event(name: str) -> Any:
    return json.loads((EVENTS / name).read_text())


def alarm(**detail: Any) -> dict[str, Any]:
    whole: dict[str, Any] = event("alarm.json")
    return whole | {"detail": whole["detail"] | detail}


@pytest.mark.parametrize(("name", "mode"), [("console.json", "contain"), ("console-plan.json", "plan")])
def test_a_person_names_the_service_and_the_mode(name: str, mode: str) -> None:
    request = accepted(event(name))
    assert (request.mode, request.service) == (mode, Service("retainwise-cluster", "retainwise-worker"))


def test_contain_is_the_mode_if_none_is_given() -> None:
    assert accepted({"service": "c/s"}).mode == "contain"


def test_a_person_names_the_incident_to_undo() -> None:
    request = accepted(event("console-rollback.json"))
    assert (request.mode, request.incident) == ("rollback", event("console-rollback.json")["incident"])


@pytest.mark.parametrize("name", ["fix.1", "night=2", "O'Brien", "Prüfung", "x" * 80])
def test_whatever_step_functions_takes_for_a_name_can_be_undone(name: str) -> None:
    assert accepted({"mode": "rollback", "incident": name}).incident == name


@pytest.mark.parametrize("mode", ["Plan", "PLAN", " plan\n", "plan"])
def test_a_mode_is_meant_however_it_is_spelled(mode: str) -> None:
    assert accepted({"service": "c/s", "mode": mode}).mode == "plan"


@pytest.mark.parametrize(
    "service",
    [
        " c/s\n",
        "arn:aws:ecs:us-east-1:123456789012:service/c/s",
        f"https://us-east-1.{CONSOLE}/v2/clusters/c/services/s/health?region=us-east-1",
        f"https://us-east-1.{CONSOLE}/v2/clusters/c/services/s",
        f"https://{CONSOLE}/home?region=us-east-1#/clusters/c/services/s/details",
        f"https://123456789012-abcd1234.us-east-1.{CONSOLE}/v2/clusters/c/services/s/tasks?region=us-east-1",
    ],
)
def test_a_service_may_be_named_as_the_console_and_the_cli_show_it(service: str) -> None:
    assert accepted({"service": service}).service == Service("c", "s")


def test_a_service_of_another_account_or_region_is_refused_by_its_place() -> None:
    elsewhere = ELSEWHERE.format(region="eu-west-1", account="210987654321")
    assert refused({"service": elsewhere}).message == (
        "c/s is in account 210987654321, eu-west-1; this runbook works in account 123456789012, us-east-1."
    )


MACHINE = SETTINGS.state_machine
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")


@pytest.mark.parametrize("incident", ["run-1", " run-1\n", f"{EXECUTION}:run-1"])
def test_an_incident_may_be_named_by_its_executions_arn(incident: str) -> None:
    assert accepted({"mode": "Rollback", "incident": incident}).incident == "run-1"


@pytest.mark.parametrize("incident", [f"{EXECUTION}-2:run-1", MACHINE, f"{EXECUTION}:", f"{EXECUTION}:a:b"])
def test_an_execution_of_another_state_machine_is_no_incident(incident: str) -> None:
    assert refused({"mode": "rollback", "incident": incident}).code == "INVALID_INPUT"


def test_the_undo_that_dies_is_taken_up_however_its_input_was_spelled() -> None:
    ended = event("ended-run.json")
    asked = {"mode": "Rollback ", "incident": f"{EXECUTION}:run-1"}
    detail = ended["detail"] | {"input": json.dumps(asked), "status": "FAILED"}
    assert accepted(ended | {"detail": detail}).incident == "run-1"


def test_an_alarm_names_the_service_that_it_belongs_to() -> None:
    request = accepted(event("alarm.json"))
    assert (request.mode, request.service) == ("contain", Service("retainwise-cluster", "retainwise-worker"))
    assert request.trigger == (
        "alarm regrant/retainwise-cluster/retainwise-worker at 2025-11-11T21:52:11.438+0000"
    )


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("contain everything", "INVALID_INPUT"),
        ([], "INVALID_INPUT"),
        ({}, "INVALID_INPUT"),
        ({"Comment": "Insert your JSON here"}, "INVALID_INPUT"),
        ({"service": "retainwise-worker"}, "INVALID_INPUT"),
        ({"service": "c/s/t"}, "INVALID_INPUT"),
        ({"service": "c/s\nd"}, "INVALID_INPUT"),
        ({"service": ELSEWHERE.format(region="eu-west-1", account="123456789012")}, "INVALID_INPUT"),
        ({"service": ELSEWHERE.format(region="us-east-1", account="210987654321")}, "INVALID_INPUT"),
        (
            {"service": "https://console.aws.amazon.com.evil.example/ecs/v2/clusters/c/services/s"},
            "INVALID_INPUT",
        ),
        (
            {"service": "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/c/services/s"},
            "INVALID_INPUT",
        ),
        ({"service": "arn:aws:ecs:us-east-1:123456789012:service/s"}, "INVALID_INPUT"),
        ({"service": "c/" + "s" * 256}, "INVALID_INPUT"),
        ({"service": "c/s", "incident": "x"}, "INVALID_INPUT"),
        ({"service": "c/s", "mode": "destroy"}, "UNKNOWN_MODE"),
        ({"service": "c/s", "mode": ["contain"]}, "UNKNOWN_MODE"),
        ({"service": "c/s", "mode": None}, "UNKNOWN_MODE"),
        ({"service": "c/s", "mode": "expire"}, "INVALID_INPUT"),
        ({"mode": "expire"}, "INVALID_INPUT"),
        ({"service": "c/s", "mode": "cure", "incident": "a"}, "INVALID_INPUT"),
        ({"mode": "rollback"}, "INVALID_INPUT"),
        ({"mode": "rollback", "incident": "a b"}, "INVALID_INPUT"),
        ({"mode": "rollback", "incident": 'a"b'}, "INVALID_INPUT"),
        ({"mode": "rollback", "incident": "a\x1b[31m"}, "INVALID_INPUT"),
        ({"mode": "rollback", "incident": 7}, "INVALID_INPUT"),
        ({"mode": "rollback", "incident": "a" * 81}, "INVALID_INPUT"),
        ({"mode": "rollback", "incident": "a", "service": "c/s"}, "INVALID_INPUT"),
        ({"detail-type": "ECS Task State Change", "detail": {}}, "EVENT_NOT_SUPPORTED"),
        ({"detail-type": "CloudWatch Alarm State Change", "detail": None}, "EVENT_NOT_SUPPORTED"),
        ({"detail": {"alarmName": "regrant/c/s"}}, "EVENT_NOT_SUPPORTED"),
        (alarm(alarmName="billing"), "OTHER_ALARM"),
        (alarm(alarmName="regrant/retainwise-worker"), "OTHER_ALARM"),
        (alarm(alarmName="regrant/c/s; drop"), "OTHER_ALARM"),
        (alarm(alarmName=None), "OTHER_ALARM"),
        (alarm() | {"account": "999999999999"}, "OTHER_ACCOUNT"),
        (alarm() | {"region": "eu-west-1"}, "OTHER_ACCOUNT"),
        (alarm() | {"account": None}, "OTHER_ACCOUNT"),
        (alarm() | {"resources": ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x"]}, "OTHER_ACCOUNT"),
        (alarm() | {"resources": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:x"}, "OTHER_ACCOUNT"),
        (event("ended-run.json") | {"account": "999999999999"}, "OTHER_ACCOUNT"),
        (event("cloudtrail.json") | {"region": "eu-west-1"}, "OTHER_ACCOUNT"),
        (alarm(state={"value": "OK"}), "ALARM_NOT_FIRING"),
        (alarm(state={"value": "INSUFFICIENT_DATA"}), "ALARM_NOT_FIRING"),
        (alarm(state=None), "ALARM_NOT_FIRING"),
        (alarm(state={"value": "ALARM", "actionsSuppressedBy": "Alarm"}), "ALARM_SUPPRESSED"),
        (alarm(state={"value": "ALARM", "actionsSuppressedBy": "WaitPeriod"}), "ALARM_SUPPRESSED"),
        (alarm(state={"value": "OK", "actionsSuppressedBy": "Alarm"}), "ALARM_NOT_FIRING"),
        (
            alarm(muteDetail={"mutedByArn": "arn:x", "muteWindowEnd": "2026-01-01T12:00:00.000+0000"}),
            "ALARM_SUPPRESSED",
        ),
        (alarm(muteDetail={"mutedBy": "arn:x"}) | {"resources": []}, "ALARM_SUPPRESSED"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(raw: object, code: str) -> None:
    refusal = refused(raw)
    assert refusal.code == code
    assert refusal.message.endswith(".") and refusal.next


@given(JSON | st.dictionaries(KEYS, JSON | st.text(st.characters(max_codepoint=0x2FF))))
def test_no_sentence_shows_what_only_a_programmer_reads(raw: object) -> None:
    request = read(raw)
    if request.refusal:
        odd = {"None", "True", "False"} & set(re.findall(r"\w+", request.refusal.message))
        given = json.dumps(raw)
        assert not [word for word in odd if word not in given]
        assert "\\" not in request.refusal.message and request.refusal.message.isprintable()
    assert "\\" not in request.mode + request.trigger


@pytest.mark.parametrize(
    "raw",
    [{}, {"service": "c/s", "mode": "x"}, {"mode": "rollback"}, {"service": None}, "x"],
)
def test_the_input_to_copy_stands_on_a_line_of_its_own(raw: object) -> None:
    *_, last = refused(raw).next.split("\n")
    assert json.loads(last)


NAMES = st.text(st.sampled_from("aZ0_-"), min_size=1, max_size=255)
REST = st.from_regex(r"(/[a-z-]+)*(\?region=us-east-1)?(#[a-z/]*)?", fullmatch=True)


@given(NAMES, NAMES, REST)
def test_a_page_and_an_arn_name_the_same_service(cluster: str, name: str, rest: str) -> None:
    page = f"https://us-east-1.{CONSOLE}/v2/clusters/{cluster}/services/{name}{rest}"
    arn = f"arn:aws:ecs:us-east-1:123456789012:service/{cluster}/{name}"
    for text in (page, arn, f"{cluster}/{name}"):
        named = named_service(text)
        assert named is not None and named.service == Service(cluster, name)


@given(st.text() | JSON)
def test_whatever_is_read_as_a_service_has_the_names_of_one(text: object) -> None:
    named = named_service(text)
    assert named is None or parse_service(str(named.service)) == named.service


@pytest.mark.parametrize(
    "configuration",
    [
        {"description": "d", "scheduledQueryConfiguration": {"queryString": "filter @message like /x/"}},
        {"description": "d"},
        {},
    ],
)
def test_an_alarm_that_is_on_no_metric_is_refused_by_its_kind(configuration: dict[str, Any]) -> None:
    """CloudWatch API reference, PutLogAlarm: its parameters name no metric."""
    refusal = refused(alarm(configuration=configuration))
    assert refusal.code == "UNSUPPORTED_ALARM" and "log alarm" in refusal.message
    assert '{"service": "retainwise-cluster/retainwise-worker", "mode": "contain"}' in refusal.next


@pytest.mark.parametrize(
    "configuration",
    [
        {"metrics": [{"id": "e1", "expression": "m1 + m2", "returnData": True}]},
        {"alarmRule": 'ALARM("regrant/c/s")', "actionsSuppressor": "deploying"},
    ],
)
def test_an_alarm_on_metrics_or_on_other_alarms_starts_a_run(configuration: dict[str, Any]) -> None:
    """CloudWatch user guide, Alarm events and EventBridge: metric math, composite."""
    assert str(accepted(alarm(configuration=configuration)).service) == "retainwise-cluster/retainwise-worker"


def test_an_alarm_that_is_over_is_nothing_to_fix() -> None:
    assert refused(alarm(state={"value": "OK"})).outcome == "NOTHING_TO_FIX"


def test_a_refusal_shows_odd_text_short_and_escaped() -> None:
    message = refused({"service": "\x1b[31m" + "\n" * 500}).message
    assert message.isprintable() and len(message) < 200


@given(JSON | st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON)))
def test_no_json_makes_it_raise(raw: object) -> None:
    request = read(raw)
    assert request.refusal or request.service or request.incident or request.task


@given(NAME_LIKE)
def test_no_text_of_an_event_becomes_a_service_unless_it_has_the_shape_of_one(text: str) -> None:
    answer = read(alarm(alarmName=PREFIX + text))
    if answer.service:
        for name in (answer.service.cluster, answer.service.name):
            assert name and set(name) <= set("aZ0_-")
        assert str(answer.service) == text


@given(st.text(st.sampled_from("aZ0_-"), min_size=1), st.text(st.sampled_from("aZ0_-"), min_size=1))
def test_a_service_is_read_as_it_is_written(cluster: str, name: str) -> None:
    assert parse_service(f"{cluster}/{name}") == Service(cluster, name)


def test_the_owners_lists_are_read_for_a_denied_call_only() -> None:
    read_lists: list[str] = []

    def allowed() -> Allowed:
        read_lists.append("roles")
        return Allowed()

    for name in ("alarm", "console", "console-rollback", "ended-run"):
        read_trigger(event(f"{name}.json"), SETTINGS, allowed)
    assert read_lists == []
    read_trigger(event("cloudtrail.json"), SETTINGS, allowed)
    assert read_lists == ["roles"]


def test_a_message_does_not_grow_with_its_input() -> None:
    refusal = refused({f"key-{n}": n for n in range(20_000)})
    assert len(refusal.message) < 600
    assert "and 19995 more" in refusal.message


@pytest.mark.parametrize("incident", ["\ud800", "a\u202eb"])
def test_an_incident_that_cannot_be_written_down_is_refused(incident: str) -> None:
    assert refused({"mode": "rollback", "incident": incident}).code == "INVALID_INPUT"


def test_a_refusal_keeps_what_was_asked_for() -> None:
    request = read({"service": "c/s", "mode": "cure"})
    assert (request.mode, request.service, request.trigger) == ("cure", Service("c", "s"), "a person")
    request = read(alarm(state={"value": "OK"}))
    assert request.service == Service("retainwise-cluster", "retainwise-worker")
    assert request.trigger.startswith("alarm regrant/retainwise-cluster/retainwise-worker")


@pytest.mark.parametrize("mode", ["\x1b[31m", "x" * 10_000, ["contain"], None])
def test_a_mode_that_is_none_is_shown_short_and_escaped(mode: object) -> None:
    shown = read({"service": "c/s", "mode": mode}).mode
    assert shown.isprintable() and len(shown) <= 80


def test_a_composite_alarm_whose_suppression_has_ended_starts_a_run() -> None:
    """CloudWatch user guide, Alarm events and EventBridge: the state before has what suppressed it."""
    suppressed = {"value": "ALARM", "actionsSuppressedBy": "ExtensionPeriod"}
    ended = alarm(state={"value": "ALARM", "actionsSuppressedBy": None}, previousState=suppressed)
    assert accepted(ended).automatic


def test_what_the_audit_starts_is_read_as_the_alarms_own_event_and_says_so() -> None:
    by_audit = alarm() | {"source": "regrant.audit", "detail-type": "Regrant Audit"}
    own, request = accepted(alarm()), accepted(by_audit)
    assert (request.mode, request.service, request.automatic) == (own.mode, own.service, own.automatic)
    assert request.trigger == f"the audit, for {own.trigger}"
    assert refused(alarm(alarmName="x") | {"detail-type": "Regrant Audit"}).code == "OTHER_ALARM"
