"""Log lines become datapoints, datapoints move alarms, and FilterLogEvents finds what was said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox.account import LocalAccount
from sandbox.aws.cloudwatch import filter_pattern

GROUP, ALARM = "/ecs/orders", "regrant/shop/orders"
DENIED = "ERROR User: arn is not authorized to perform: sqs:SendMessage"


class Watch:
    """A log group with a metric filter on it and an alarm on that."""

    def __init__(self, account: LocalAccount) -> None:
        self.account = account
        self.logs = self._client("logs")
        self.cloudwatch = self._client("cloudwatch")
        self.logs.create_log_group(logGroupName=GROUP)
        self.streams: set[str] = set()

    def _client(self, service: str) -> Any:
        return self.account.client(service)

    def filter(self, pattern: str = '"is not authorized to perform"', **transformation: Any) -> None:
        metric = {"metricNamespace": "Regrant", "metricName": "denials", "metricValue": "1"}
        self.logs.put_metric_filter(
            logGroupName=GROUP,
            filterName="denials",
            filterPattern=pattern,
            metricTransformations=[metric | transformation],
        )

    def alarm(self, **parameters: Any) -> None:
        self.cloudwatch.put_metric_alarm(
            **{
                "AlarmName": ALARM,
                "Namespace": "Regrant",
                "MetricName": "denials",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
            }
            | parameters
        )

    def log(self, *messages: str, stream: str = "ecs/app/1") -> None:
        if stream not in self.streams:
            self.logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            self.streams.add(stream)
        at = int(self.account.clock.now().timestamp() * 1000)
        events = [{"timestamp": at, "message": message} for message in messages]
        self.logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)

    def minutes(self, count: int, *messages: str) -> list[str]:
        """The alarm's state after each of the minutes that follow; the messages are logged in each."""
        states = []
        for _ in range(count):
            self.account.clock.run_for(30)
            if messages:
                self.log(*messages)
            self.account.clock.run_for(30)
            states.append(self.state()["StateValue"])
        return states

    def state(self) -> dict[str, Any]:
        alarm: dict[str, Any] = self.cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
        return alarm

    def found(self, pattern: str = "", **parameters: Any) -> list[str]:
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP, filterPattern=pattern, **parameters
        )
        return [event["message"] for page in pages for event in page["events"]]


@pytest.fixture
def watch() -> Iterator[Watch]:
    with LocalAccount() as account:
        yield Watch(account)


def test_a_denial_moves_the_alarm_and_its_absence_moves_it_back(watch: Watch) -> None:
    watch.filter()
    watch.alarm()
    assert watch.state()["StateValue"] == "INSUFFICIENT_DATA"
    assert watch.minutes(1) == ["OK"]
    assert watch.minutes(2, DENIED) == ["ALARM", "ALARM"]
    # The last datapoint is looked at for a while longer.
    assert watch.minutes(3)[-1] == "OK"


def test_the_reason_is_written_as_aws_writes_it(watch: Watch) -> None:
    watch.filter()
    watch.alarm()
    watch.minutes(1, DENIED, DENIED)
    state = watch.state()
    assert state["StateReason"] == (
        "Threshold Crossed: 1 out of the last 1 datapoints [2.0 (02/03/26 09:00:00)] was greater than or "
        "equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    data = json.loads(state["StateReasonData"])
    assert (data["version"], data["period"], data["statistic"]) == ("1.0", 60, "Sum")
    assert data["recentDatapoints"] == [2.0]
    assert data["startDate"] == "2026-03-02T09:00:00.000+0000"


def test_silence_is_said_to_be_treated_as_configured(watch: Watch) -> None:
    watch.alarm(TreatMissingData="breaching", EvaluationPeriods=2)
    assert watch.minutes(1) == ["ALARM"]
    assert watch.state()["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were "
        "treated as [Breaching]."
    )


@pytest.mark.parametrize(
    ("treatment", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("ignore", "ALARM"), ("notBreaching", "OK"), ("breaching", "ALARM")],
)
def test_what_silence_means(watch: Watch, treatment: str, state: str) -> None:
    watch.filter()
    watch.alarm(TreatMissingData=treatment)
    assert watch.minutes(1, DENIED) == ["ALARM"]
    assert watch.minutes(4)[-1] == state


def test_two_of_three_datapoints(watch: Watch) -> None:
    watch.filter(defaultValue=0)
    watch.alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    assert watch.minutes(3, "all is well") == ["OK"] * 3
    assert watch.minutes(1, DENIED) == ["OK"]
    assert watch.minutes(1, "all is well") == ["OK"]
    assert watch.minutes(1, DENIED) == ["ALARM"]
    assert "2 out of the last 3 datapoints" in watch.state()["StateReason"]
    assert watch.minutes(2, "all is well")[-1] == "OK"


def test_a_metric_filter_does_not_look_back(watch: Watch) -> None:
    watch.log(DENIED)
    watch.filter()
    watch.alarm()
    assert watch.minutes(2) == ["OK", "OK"]


def test_putting_a_metric_filter_again_replaces_it(watch: Watch) -> None:
    watch.filter()
    watch.filter()
    watch.alarm(Threshold=2)
    assert watch.minutes(1, DENIED) == ["OK"]


def test_lines_that_do_not_match_make_the_default_value(watch: Watch) -> None:
    watch.filter(defaultValue=0)
    watch.log("all is well", DENIED, "all is well")
    now = watch.account.clock.now()
    points = watch.cloudwatch.get_metric_statistics(
        Namespace="Regrant",
        MetricName="denials",
        StartTime=now.replace(hour=0),
        EndTime=now.replace(hour=23),
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    assert [(point["Sum"], point["SampleCount"]) for point in points] == [(1.0, 3.0)]


def test_only_a_transition_is_a_change(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.filter()
    watch.alarm()
    watch.minutes(1, DENIED)
    since = watch.state()["StateUpdatedTimestamp"]
    watch.minutes(3, DENIED)
    assert watch.state()["StateUpdatedTimestamp"] == since


def test_an_alarm_that_was_forced_returns_to_its_real_state(watch: Watch) -> None:
    watch.alarm()
    watch.minutes(1)
    watch.cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="testing")
    assert watch.minutes(1) == ["OK"]


# FilterLogEvents


def test_events_are_found_by_simulated_time_however_far_from_the_real_one(watch: Watch) -> None:
    watch.account.clock.run_for(60 * 86_400)
    watch.log("then")
    begun = int(watch.account.clock.now().timestamp() * 1000)
    watch.account.clock.run_for(60)
    watch.log("now")
    assert watch.found(startTime=begun, endTime=begun) == ["then"]
    assert watch.found(startTime=begun + 1) == ["now"]


def test_events_of_all_streams_come_in_order_of_time(watch: Watch) -> None:
    for stream, message in (("b/1", "first"), ("a/1", "second"), ("b/1", "third")):
        watch.log(message, stream=stream)
        watch.account.clock.run_for(1)
    assert watch.found() == ["first", "second", "third"]
    assert watch.found(logStreamNames=["b/1"]) == ["first", "third"]
    assert watch.found(logStreamNamePrefix="a/") == ["second"]


def test_pages_may_be_empty_although_more_follows(watch: Watch) -> None:
    watch.log("one", "two", "three")
    watch.account.logs.empty_pages = 2
    page = watch.logs.filter_log_events(logGroupName=GROUP)
    assert page["events"] == [] and page["nextToken"]
    assert watch.found(limit=2) == ["one", "two", "three"]


def test_each_old_stream_is_an_empty_page_unless_streams_are_named(watch: Watch) -> None:
    for task in range(3):
        watch.log("old", stream=f"ecs/app/{task}")
    watch.account.clock.run_for(3600)
    watch.log("new", stream="ecs/app/2")
    since = {"startTime": int(watch.account.clock.now().timestamp() * 1000) - 60_000}
    pages = watch.logs.get_paginator("filter_log_events")
    found = [
        [event["message"] for event in page["events"]]
        for page in pages.paginate(logGroupName=GROUP, logStreamNamePrefix="ecs/app/", **since)
    ]
    assert found == [[], [], ["new"]]
    named = watch.logs.filter_log_events(
        logGroupName=GROUP, logStreamNames=["ecs/app/0", "ecs/app/2"], **since
    )
    assert [event["message"] for event in named["events"]] == ["new"] and "nextToken" not in named


@pytest.mark.parametrize(
    ("streams", "code", "text"),
    [
        ({"logStreamNames": ["ecs/app/1", "none"]}, "ResourceNotFoundException", "log stream does not exist"),
        ({"logStreamNames": ["ecs/app/1"] * 101}, "InvalidParameterException", "less than or equal to 100"),
        (
            {"logStreamNames": ["ecs/app/1"], "logStreamNamePrefix": "ecs/"},
            "InvalidParameterException",
            "exclude each other",
        ),
    ],
    ids=["unknown", "too many", "names and a prefix"],
)
def test_streams_that_cannot_be_searched_are_refused(
    watch: Watch, streams: dict[str, Any], code: str, text: str
) -> None:
    watch.log("one")
    with pytest.raises(ClientError, match=text) as error:
        watch.logs.filter_log_events(logGroupName=GROUP, **streams)
    assert error.value.response["Error"]["Code"] == code


def test_a_page_ends_at_ten_thousand_events(watch: Watch) -> None:
    for stream in ("a/1", "b/1"):
        watch.log(*(f"{stream} {number}" for number in range(6_000)), stream=stream)
    first = watch.logs.filter_log_events(logGroupName=GROUP)
    assert len(first["events"]) == 10_000
    second = watch.logs.filter_log_events(logGroupName=GROUP, nextToken=first["nextToken"])
    assert "nextToken" not in second
    shown = [event["message"] for page in (first, second) for event in page["events"]]
    assert len(shown) == len(set(shown)) == 12_000


def test_a_page_ends_at_a_megabyte_of_messages(watch: Watch) -> None:
    for letter in "abc":
        watch.log(*(letter * 100_000 for _ in range(4)))
    pages = [
        [event["message"][0] for event in page["events"]]
        for page in watch.logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP)
    ]
    assert ["".join(page) for page in pages] == ["aaaabbbbcc", "cc"]


def test_a_page_continues_where_the_last_one_ended_whatever_was_logged_since(watch: Watch) -> None:
    watch.log("one", "two", "three")
    first = watch.logs.filter_log_events(logGroupName=GROUP, limit=2)
    watch.account.clock.run_for(1)
    watch.log("four", stream="a/1")
    second = watch.logs.filter_log_events(logGroupName=GROUP, nextToken=first["nextToken"])
    assert [event["message"] for event in second["events"]] == ["three", "four"]


def test_what_arrives_late_is_shown_in_its_place(watch: Watch) -> None:
    watch.account.clock.run_for(60)
    watch.log("second")
    minute_ago = int(watch.account.clock.now().timestamp() * 1000) - 60_000
    watch.logs.put_log_events(
        logGroupName=GROUP,
        logStreamName="ecs/app/1",
        logEvents=[{"timestamp": minute_ago, "message": "first"}],
    )
    assert watch.found() == ["first", "second"]
    assert watch.found(startTime=minute_ago + 1) == ["second"]


def test_a_batch_of_more_than_a_megabyte_is_refused(watch: Watch) -> None:
    watch.log("x" * 524_262, "x" * 524_262)
    with pytest.raises(ClientError, match="Upload too large: 1048577 bytes exceeds limit of 1048576"):
        watch.log("x" * 524_262, "x" * 524_263)


def test_many_lines_are_one_datapoint_a_minute(watch: Watch) -> None:
    watch.filter()
    watch.alarm()
    for _ in range(3):
        watch.log(*[DENIED] * 5_000)
    assert watch.minutes(1) == ["ALARM"]
    assert "[15000.0 (02/03/26 09:00:00)]" in watch.state()["StateReason"]


def test_an_event_may_be_shown_later_than_it_happened(watch: Watch) -> None:
    watch.account.logs.lag = 20
    watch.log("late")
    happened = int(watch.account.clock.now().timestamp() * 1000)
    watch.account.clock.run_for(19)
    assert watch.found() == []
    watch.account.clock.run_for(1)
    (event,) = watch.logs.filter_log_events(logGroupName=GROUP)["events"]
    assert (event["timestamp"], event["ingestionTime"]) == (happened, happened + 20_000)


def test_a_late_event_is_counted_late(watch: Watch) -> None:
    watch.account.logs.lag = 70
    watch.filter()
    watch.alarm()
    watch.log(DENIED)
    assert watch.minutes(1) == ["OK"]
    assert watch.minutes(1) == ["ALARM"]


def test_a_token_that_was_not_given_is_refused(watch: Watch) -> None:
    with pytest.raises(ClientError, match="The specified nextToken is invalid"):
        watch.logs.filter_log_events(logGroupName=GROUP, nextToken="mine")


def test_a_log_group_that_does_not_exist_is_refused(watch: Watch) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        watch.logs.filter_log_events(logGroupName="/ecs/nobody")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", ["ERROR one", "ERROR two", "error one", "WARN-7 two"]),
        ("ERROR", ["ERROR one", "ERROR two"]),
        ("one ERROR", ["ERROR one"]),
        ('"ERROR t"', ["ERROR two"]),
        ('"WARN-7"', ["WARN-7 two"]),
        ("?one ?two -ERROR", ["error one", "WARN-7 two"]),
        ('?"ERROR one" ?"WARN-7"', ["ERROR one", "WARN-7 two"]),
        ("two -WARN", ["ERROR two"]),
    ],
)
def test_filter_patterns(watch: Watch, pattern: str, found: list[str]) -> None:
    watch.log("ERROR one", "ERROR two", "error one", "WARN-7 two")
    assert watch.found(pattern) == found


@pytest.mark.parametrize(
    "pattern", ["WARN-7:x", 'an "open quote', '{ $.level = "ERROR" }', "[ip, user]", "%a+%"]
)
def test_a_pattern_that_is_not_evaluated_is_refused(watch: Watch, pattern: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterException"):
        watch.found(pattern)


@given(term=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), around=st.text())
def test_any_quoted_term_is_found_where_it_stands(term: str, around: str) -> None:
    quoted = term.replace("\\", "\\\\").replace('"', '\\"')
    assert filter_pattern.parse(f'"{quoted}"').matches(around + term + around)
