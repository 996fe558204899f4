"""Queues as a signal of health: what is visible, what is in flight, when a failing message is dead."""

import json
from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.queues import SqsQueues
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import QueueDepth
from tests.aws.account import client, create_queues
from tests.unit.fakes import DEAD_LETTERS, QUEUE


def name_of(arn: str) -> str:
    return arn.rpartition(":")[2]


def url_of(sqs: Any) -> str:
    return str(sqs.get_queue_url(QueueName=QUEUE.rsplit(":", 1)[-1])["QueueUrl"])


def test_a_queues_depth_is_what_waits_and_what_is_in_flight() -> None:
    sqs = create_queues()
    url = url_of(sqs)
    for body in "abc":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    assert SqsQueues(sqs).depth(QUEUE) == QueueDepth(visible=2, in_flight=1)


def test_a_fifo_queue_is_found_by_its_whole_name() -> None:
    sqs = client("sqs")
    sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})
    assert SqsQueues(sqs).depth("arn:aws:sqs:us-east-1:123456789012:orders.fifo").visible == 0


def test_a_queue_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AwsRefused):
        SqsQueues(client("sqs")).depth(QUEUE)


def test_a_queue_that_is_found_comes_with_its_depth() -> None:
    sqs = create_queues()
    sqs.send_message(QueueUrl=url_of(sqs), MessageBody="a")
    queues = SqsQueues(sqs)
    assert queues.find(QUEUE) == queues.depth(QUEUE) == QueueDepth(visible=1, in_flight=0)


def test_a_queue_that_does_not_exist_is_not_found() -> None:
    assert SqsQueues(create_queues()).find(f"{QUEUE}-typo") is None


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"])
def test_either_protocols_word_for_a_queue_that_does_not_exist_is_understood(code: str) -> None:
    sqs = client("sqs")
    with Stubber(sqs) as stub:
        stub.add_client_error("get_queue_url", code)
        assert SqsQueues(sqs).find(QUEUE) is None


def test_a_queue_that_was_deleted_after_its_address_was_known_is_not_found() -> None:
    sqs = create_queues()
    queues = SqsQueues(sqs)
    assert queues.find(QUEUE) is not None
    sqs.delete_queue(QueueUrl=url_of(sqs))
    assert queues.find(QUEUE) is None


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", AwsRefused), ("RequestThrottled", AwsUnavailable)]
)
def test_a_queue_that_cannot_be_read_is_not_called_nonexistent(code: str, error: type[Exception]) -> None:
    sqs = client("sqs")
    with Stubber(sqs) as stub:
        stub.add_client_error("get_queue_url", code)
        with pytest.raises(error):
            SqsQueues(sqs).find(QUEUE)


@pytest.mark.parametrize("receives", [3, "3"], ids=["a number", "a text"])
def test_how_long_a_failing_message_takes_to_the_dead_letter_queue_is_known(receives: int | str) -> None:
    sqs = create_queues()
    url = url_of(sqs)
    redrive = json.dumps({"deadLetterTargetArn": DEAD_LETTERS, "maxReceiveCount": receives})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "45", "RedrivePolicy": redrive})
    assert SqsQueues(sqs).depth(QUEUE).seconds_to_dead_letter == 135.0


def test_without_a_dead_letter_queue_a_failing_message_stays() -> None:
    assert SqsQueues(create_queues()).depth(QUEUE).seconds_to_dead_letter is None


def test_a_queues_address_is_asked_for_once() -> None:
    sqs = client("sqs")
    counts = {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    with Stubber(sqs) as stub:
        stub.add_response("get_queue_url", {"QueueUrl": "https://sqs/q"})
        stub.add_response("get_queue_attributes", {"Attributes": counts})
        stub.add_response("get_queue_attributes", {"Attributes": counts})
        queues = SqsQueues(sqs)
        queues.depth(QUEUE)
        queues.depth(QUEUE)
        stub.assert_no_pending_responses()


def test_the_address_of_a_second_queue_of_the_account_is_that_of_the_first_with_its_own_name() -> None:
    sqs = create_queues()
    queues, asked = SqsQueues(sqs), list[str]()
    sqs.meta.events.register("before-call.sqs.GetQueueUrl", lambda **_: asked.append("GetQueueUrl"))
    sqs.send_message(QueueUrl=url_of(sqs).replace(name_of(QUEUE), name_of(DEAD_LETTERS)), MessageBody="a")
    del asked[:]
    assert (queues.depth(QUEUE).visible, queues.depth(DEAD_LETTERS).visible, len(asked)) == (0, 1, 1)


def test_where_that_is_not_its_address_it_is_asked_for() -> None:
    sqs = client("sqs")
    counts = {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    name, dead = name_of(QUEUE), name_of(DEAD_LETTERS)
    asked = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def read(url: str) -> dict[str, Any]:
        return {"QueueUrl": url, "AttributeNames": [*asked, "VisibilityTimeout", "RedrivePolicy"]}

    with Stubber(sqs) as stub:
        stub.add_response("get_queue_url", {"QueueUrl": f"https://sqs/1/{name}"})
        stub.add_response("get_queue_attributes", {"Attributes": counts}, read(f"https://sqs/1/{name}"))
        stub.add_client_error(
            "get_queue_attributes", "QueueDoesNotExist", expected_params=read(f"https://sqs/1/{dead}")
        )
        stub.add_response("get_queue_url", {"QueueUrl": "https://elsewhere"})
        stub.add_response("get_queue_attributes", {"Attributes": counts}, read("https://elsewhere"))
        queues = SqsQueues(sqs)
        assert (queues.depth(QUEUE), queues.depth(DEAD_LETTERS)) == (QueueDepth(0, 0), QueueDepth(0, 0))
        stub.assert_no_pending_responses()
