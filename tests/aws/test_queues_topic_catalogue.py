"""The three small adapters: queue depth, notification, catalogue parameter."""

from typing import Any

import pytest
from botocore.stub import Stubber

from regrant.aws.catalogue import ParameterCatalogue
from regrant.aws.queues import SqsQueues
from regrant.aws.topic import SnsTopic
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.aws import QueueDepth
from regrant.model.catalogue import Service
from regrant.opening.catalogue import read_entry
from tests.aws.account import client, create_queues, create_topic, enrol
from tests.unit.fakes import ENTRY, QUEUE, SETTINGS, WORKER


def test_a_queues_depth_is_what_waits_and_what_is_in_flight() -> None:
    sqs = create_queues()
    url = sqs.get_queue_url(QueueName=QUEUE.rsplit(":", 1)[-1])["QueueUrl"]
    for body in "abc":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    assert SqsQueues(sqs).depth(QUEUE) == QueueDepth(waiting=2, in_flight=1)


def test_a_fifo_queue_is_found_by_its_whole_name() -> None:
    sqs = client("sqs")
    sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})
    assert SqsQueues(sqs).depth("arn:aws:sqs:us-east-1:123456789012:orders.fifo").waiting == 0


def test_a_queue_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AwsRefused):
        SqsQueues(client("sqs")).depth(QUEUE)


def test_a_queue_is_there_or_not() -> None:
    queues = SqsQueues(create_queues())
    assert queues.exists(QUEUE) and not queues.exists(f"{QUEUE}-typo")


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


def published(subject: str) -> dict[str, Any]:
    sns, sent = create_topic(), []
    sns.meta.events.register("provide-client-params.sns.Publish", lambda params, **_: sent.append(params))
    SnsTopic(sns, SETTINGS.topic).publish(subject, "the report")
    (params,) = sent
    assert isinstance(params, dict)
    return params


def test_a_notification_has_subject_and_report() -> None:
    params = published(f"CONTAINED {WORKER}")
    assert params == {"TopicArn": SETTINGS.topic, "Subject": f"CONTAINED {WORKER}", "Message": "the report"}


def test_a_long_subject_is_cut_to_what_sns_takes() -> None:
    assert len(published("ROLLBACK_INCOMPLETE " + "c" * 500)["Subject"]) < 100


def test_a_topic_that_is_gone_is_refused() -> None:
    with pytest.raises(AwsRefused):
        SnsTopic(client("sns"), SETTINGS.topic).publish("x", "y")


def test_an_enrolled_services_entry_is_read() -> None:
    text = ParameterCatalogue(enrol()).entry(WORKER)
    assert read_entry(text, WORKER, SETTINGS) == ENTRY


def test_a_service_that_is_not_enrolled_has_no_entry() -> None:
    assert ParameterCatalogue(client("ssm")).entry(Service("c", "s")) is None


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", AwsRefused), ("ThrottlingException", AwsUnavailable)]
)
def test_a_parameter_that_cannot_be_read_is_not_a_missing_entry(code: str, error: type[Exception]) -> None:
    ssm = client("ssm")
    with Stubber(ssm) as stub:
        stub.add_client_error("get_parameter", code)
        with pytest.raises(error):
            ParameterCatalogue(ssm).entry(WORKER)
