"""CloudWatch Logs, searched within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from regrant.aws.logs import CloudWatchLogs
from regrant.denials.search import DENIAL_TERM
from regrant.errors import AwsRefused
from regrant.model.aws import LogLines
from tests.aws.account import client
from tests.unit.fakes import DENIAL, ROUTE, SUCCESS, at


def milliseconds(seconds: float) -> int:
    return round(datetime.fromisoformat(at(seconds)).timestamp() * 1000)


def write(*lines: tuple[float, str], stream: str = "ecs/worker/task-1") -> Any:
    logs = client("logs")
    if not logs.describe_log_groups()["logGroups"]:
        logs.create_log_group(logGroupName=ROUTE.group)
    logs.create_log_stream(logGroupName=ROUTE.group, logStreamName=stream)
    events = [{"timestamp": milliseconds(seconds), "message": message} for seconds, message in lines]
    logs.put_log_events(logGroupName=ROUTE.group, logStreamName=stream, logEvents=events)
    return logs


def found(logs: Any, term: str = "Successfully received", since: float = 0, until: float = 20) -> Any:
    return search(logs, term, since, until).lines


def search(logs: Any, term: str = "Successfully received", since: float = 0, until: float = 20) -> LogLines:
    return CloudWatchLogs(logs).search(ROUTE, term, at(since), at(until), nobody)


def nobody() -> tuple[str, ...]:
    """The ids of no task."""
    return ()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    # PutLogEvents takes no event older than 14 days.
    moment = datetime.fromisoformat(at(60)).replace(tzinfo=None)
    monkeypatch.setattr("moto.logs.models.utcnow", lambda: moment)


pytestmark = pytest.mark.usefixtures("now")


def test_lines_with_the_term_are_found_with_time_and_stream() -> None:
    logs = write((5, SUCCESS), (6, "Polling"), (7, DENIAL))
    (line,) = found(logs)
    assert (line.message, line.stream) == (SUCCESS, "ecs/worker/task-1")
    assert datetime.fromisoformat(line.at) == datetime.fromisoformat(at(5))


def test_the_words_of_a_denial_are_found_in_botocores_sentence() -> None:
    assert len(found(write((5, DENIAL)), DENIAL_TERM)) == 1


def test_two_windows_side_by_side_count_each_line_once() -> None:
    logs = write(
        (0, "Successfully received 0"), (20, "Successfully received 20"), (20.001, "Successfully received 21")
    )
    assert [line.message[-2:] for line in found(logs, since=0, until=20)] == ["20"]
    assert [line.message[-2:] for line in found(logs, since=20, until=40)] == ["21"]


def test_lines_of_all_tasks_come_oldest_first() -> None:
    write((9, f"{SUCCESS} late"), stream="ecs/worker/task-1")
    logs = write((5, f"{SUCCESS} early"), stream="ecs/worker/task-2")
    assert [line.stream[-1] for line in found(logs)] == ["2", "1"]


def test_the_search_is_for_the_quoted_term_in_the_containers_own_streams() -> None:
    logs = client("logs")
    query = {
        "logGroupName": "/ecs/retainwise-worker",
        "logStreamNamePrefix": "ecs/worker/",
        "filterPattern": '"Successfully received"',
        "startTime": milliseconds(0) + 1,
        "endTime": milliseconds(20),
    }
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(EVENT), query)
        assert len(found(logs)) == 1


def test_a_group_that_nobody_has_written_to_is_empty() -> None:
    assert found(client("logs")) == ()
    assert not CloudWatchLogs(client("logs")).search(ROUTE, "x", at(0), at(1), nobody).exists


def test_a_group_that_may_not_be_read_is_refused() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_client_error("filter_log_events", "AccessDeniedException")
        with pytest.raises(AwsRefused):
            found(logs)


def page(*events: dict[str, Any], more: str = "") -> dict[str, Any]:
    return {"events": list(events)} | ({"nextToken": more} if more else {})


EVENT = {"timestamp": milliseconds(5), "message": SUCCESS, "logStreamName": "ecs/worker/task-1"}


def test_an_empty_page_is_not_the_end() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(more="a"))
        stub.add_response("filter_log_events", page(more="b"))
        stub.add_response("filter_log_events", page(EVENT))
        assert len(found(logs)) == 1


def test_a_group_without_end_is_read_for_twenty_pages_and_called_incomplete() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for number in range(20):
            stub.add_response("filter_log_events", page(EVENT, more=str(number)))
        read = search(logs)
        assert (len(read.lines), read.complete) == (20, False)
        stub.assert_no_pending_responses()


def test_empty_pages_do_not_use_up_the_twenty_but_are_bounded_too() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for number in range(59):
            stub.add_response("filter_log_events", page(more=str(number)))
        stub.add_response("filter_log_events", page(EVENT, more="59"))
        read = search(logs)
        assert (len(read.lines), read.complete) == (1, False)
        stub.assert_no_pending_responses()


def test_a_group_that_ends_with_the_twentieth_page_is_complete() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for number in range(19):
            stub.add_response("filter_log_events", page(EVENT, more=str(number)))
        stub.add_response("filter_log_events", page(EVENT))
        assert search(logs).complete


UNKNOWN = ("ResourceNotFoundException", "The specified log stream does not exist.")


def of_tasks(logs: Any, *tasks: str) -> LogLines:
    return CloudWatchLogs(logs).search_tasks(ROUTE, tasks, "Successfully received", at(0), at(20))


def named(*tasks: str, token: str = "") -> dict[str, Any]:
    """The request for the streams of those tasks."""
    query = {
        "logGroupName": "/ecs/retainwise-worker",
        "logStreamNames": [f"ecs/worker/{task}" for task in tasks],
        "filterPattern": '"Successfully received"',
        "startTime": milliseconds(0) + 1,
        "endTime": milliseconds(20),
    }
    return query | ({"nextToken": token} if token else {})


def refuse(stub: Stubber, query: dict[str, Any]) -> None:
    stub.add_client_error("filter_log_events", *UNKNOWN, expected_params=query)


def event_of(task: str) -> dict[str, Any]:
    return EVENT | {"logStreamName": f"ecs/worker/{task}"}


def tasks_in(read: LogLines) -> list[str]:
    return [line.task for line in read.lines]


def test_tasks_are_asked_for_by_the_names_of_their_streams() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(EVENT, more="a"), named("1", "2"))
        stub.add_response("filter_log_events", page(EVENT), named("1", "2", token="a"))
        read = of_tasks(logs, "1", "2", "1")
        assert (len(read.lines), read.complete) == (2, True)


def test_a_task_that_has_not_logged_yet_hides_no_other() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        refuse(stub, named("1", "2", "3", "4"))
        stub.add_response("filter_log_events", page(event_of("1")), named("1", "2"))
        refuse(stub, named("3", "4"))
        refuse(stub, named("3"))
        stub.add_response("filter_log_events", page(event_of("4")), named("4"))
        read = of_tasks(logs, "1", "2", "3", "4")
        assert (tasks_in(read), read.complete) == (["1", "4"], True)
        stub.assert_no_pending_responses()


def test_tasks_of_which_none_has_logged_yet_have_no_lines() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for tasks in (("1", "2"), ("1",), ("2",)):
            refuse(stub, named(*tasks))
        assert of_tasks(logs, "1", "2") == LogLines(())


def test_of_two_tasks_in_a_hundred_that_have_not_logged_yet_the_others_are_asked_for_by_name() -> None:
    tasks, silent = [f"{number}" for number in range(100)], {"0", "99"}
    account = Streams({task for task in tasks if task not in silent})
    read = of_tasks(account, *tasks)
    assert (sorted(tasks_in(read)), read.complete) == (sorted(account.logged), True)
    assert account.by_prefix == 0


@pytest.mark.parametrize("silent", [20, 500, 999, 1_000])
def test_however_many_tasks_have_not_logged_yet_the_calls_are_bounded(silent: int) -> None:
    tasks = [f"{number}" for number in range(1_000)]
    account = Streams({*tasks[: len(tasks) - silent], "of another"})
    read = of_tasks(account, *reversed(tasks))
    assert (sorted(tasks_in(read)), read.complete) == (sorted(account.logged - {"of another"}), True)
    assert (account.by_prefix, account.calls <= 40) == (1, True)


class Streams:
    """FilterLogEvents of a log to which those tasks have written a line each."""

    def __init__(self, logged: set[str]) -> None:
        self.logged, self.calls, self.by_prefix = logged, 0, 0

    def get_paginator(self, operation: str) -> Streams:
        assert operation == "filter_log_events"
        return self

    def paginate(self, **query: Any) -> Iterator[dict[str, Any]]:
        self.calls += 1
        names, streams = query.get("logStreamNames"), {f"ecs/worker/{task}" for task in self.logged}
        self.by_prefix += names is None
        if names is not None and not streams.issuperset(names):
            code, message = UNKNOWN
            raise ClientError({"Error": {"Code": code, "Message": message}}, "FilterLogEvents")
        asked = sorted(streams if names is None else names)
        yield page(*(EVENT | {"logStreamName": stream} for stream in asked))


def test_tasks_in_a_group_that_does_not_exist_are_asked_for_once() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        text = "The specified log group does not exist."
        stub.add_client_error("filter_log_events", "ResourceNotFoundException", text)
        assert not of_tasks(logs, "1", "2").exists


def test_more_than_a_hundred_tasks_are_asked_for_in_several_calls() -> None:
    tasks, logs = [f"{number}" for number in range(101)], client("logs")
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(event_of("0")), named(*tasks[:100]))
        stub.add_response("filter_log_events", page(event_of("100")), named("100"))
        read = of_tasks(logs, *tasks)
        assert (tasks_in(read), read.complete) == (["0", "100"], True)


def test_tasks_that_the_bound_leaves_unread_are_called_incomplete() -> None:
    tasks, logs = [f"{number}" for number in range(101)], client("logs")
    with Stubber(logs) as stub:
        for number in range(19):
            stub.add_response("filter_log_events", page(EVENT, more=str(number)))
        stub.add_response("filter_log_events", page(EVENT))
        assert not of_tasks(logs, *tasks).complete
        stub.assert_no_pending_responses()


def two() -> tuple[str, ...]:
    """The ids of the tasks that are known."""
    return ("1", "2")


def test_behind_old_streams_the_tasks_that_are_known_are_asked_for_and_what_was_found_stays() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(event_of("1"), more="a"))
        stub.add_response("filter_log_events", page(more="b"))
        stub.add_response("filter_log_events", page(event_of("1"), event_of("2")), named("1", "2"))
        read = CloudWatchLogs(logs).search(ROUTE, "Successfully received", at(0), at(20), two)
        assert (sorted(tasks_in(read)), read.complete) == (["1", "2"], True)
        stub.assert_no_pending_responses()


def test_a_stream_that_somebody_fills_does_not_hide_the_lines_of_the_tasks() -> None:
    """Whoever may make streams in the group may write more than is read, and before the service does."""
    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(*[event_of("of another")] * 1_000, more="a"))
        stub.add_response("filter_log_events", page(event_of("2")), named("1", "2"))
        read = CloudWatchLogs(logs).search(ROUTE, "Successfully received", at(0), at(20), two)
        assert (tasks_in(read)[-1], read.complete) == ("2", True)
        stub.assert_no_pending_responses()


def test_a_log_of_one_page_is_read_without_asking_for_tasks() -> None:
    def asked() -> tuple[str, ...]:
        raise AssertionError

    logs = client("logs")
    with Stubber(logs) as stub:
        stub.add_response("filter_log_events", page(EVENT))
        assert CloudWatchLogs(logs).search(ROUTE, "x", at(0), at(20), asked).complete


def test_a_log_of_the_tasks_alone_is_read_by_its_prefix_to_the_end() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for more in ("a", "b", ""):
            stub.add_response("filter_log_events", page(event_of("1"), more=more))
        read = CloudWatchLogs(logs).search(ROUTE, "x", at(0), at(20), two)
        assert (len(read.lines), read.complete) == (3, True)


def lines(count: int, more: str = "a") -> dict[str, Any]:
    return page(*[EVENT] * count, more=more)


def test_short_lines_are_bounded_by_their_number() -> None:
    logs = client("logs")
    with Stubber(logs) as stub:
        for _ in range(2):
            stub.add_response("filter_log_events", lines(10_000))
        read = search(logs)
        assert (len(read.lines), read.complete) == (20_000, False)
        stub.assert_no_pending_responses()


def test_logs_that_are_read_at_the_same_time_share_the_bound_and_ask_for_pages_that_keep_it() -> None:
    logs = client("logs")
    query = {"limit": 2_000, "logStreamNamePrefix": "ecs/worker/"}
    with Stubber(logs) as stub:
        expected = {key: value for key, value in named().items() if key != "logStreamNames"} | query
        stub.add_response("filter_log_events", lines(2_000), expected)
        read = CloudWatchLogs(logs).search(ROUTE, "Successfully received", at(0), at(20), nobody, 10)
        assert (len(read.lines), read.complete) == (2_000, False)
        stub.assert_no_pending_responses()
