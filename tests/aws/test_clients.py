"""AWS's errors as ours: try again, or no."""

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    UnknownServiceError,
)
from botocore.stub import Stubber

from regrant.aws import clients
from regrant.aws.clients import aws_errors, condition_met
from regrant.aws.clients import client as new_client
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.parallel import each
from tests.aws.account import client


def translated(code: str, status: int = 400) -> Exception:
    """What an answer with that code becomes, from botocore's parsed response on."""
    iam = client("iam")
    with Stubber(iam) as stub:
        stub.add_client_error("list_roles", code, "the message", http_status_code=status)
        with pytest.raises((AwsRefused, AwsUnavailable)) as caught, aws_errors():
            iam.list_roles()
    return caught.value


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Throttling", 400),
        ("ThrottlingException", 400),
        ("Throttled", 400),
        ("SomethingNew", 429),
        ("RequestLimitExceeded", 503),
        ("ProvisionedThroughputExceededException", 400),
        ("ConcurrentModification", 409),
        ("ServiceUnavailable", 503),
        ("ServiceFailure", 500),
        ("SomethingNew", 502),
    ],
)
def test_an_answer_that_can_change_is_unavailable(code: str, status: int) -> None:
    assert isinstance(translated(code, status), AwsUnavailable)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("AccessDeniedException", 400),
        ("NoSuchEntity", 404),
        ("LimitExceeded", 409),
        ("ValidationError", 400),
        ("ClientException", 400),
    ],
)
def test_an_answer_that_stays_no_is_refused_with_its_code(code: str, status: int) -> None:
    error = translated(code, status)
    assert isinstance(error, AwsRefused)
    assert error.code == code and "the message" in str(error)


@pytest.mark.parametrize(
    ("reasons", "becomes"),
    [
        (("ConditionalCheckFailed", "None"), "ConditionalCheckFailedException"),
        (("None", "TransactionConflict"), None),
        (("ThrottlingError",), None),
        ((), None),
        (("TransactionConflict", "ValidationError"), "TransactionCanceledException"),
    ],
)
def test_a_cancelled_transaction_is_refused_for_what_stays(
    reasons: tuple[str, ...], becomes: str | None
) -> None:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    with pytest.raises((AwsRefused, AwsUnavailable)) as caught, aws_errors():
        raise ClientError(answer, "TransactWriteItems")
    assert getattr(caught.value, "code", None) == becomes


def test_an_answer_without_a_code_is_refused() -> None:
    empty: Any = {}
    with pytest.raises(AwsRefused), aws_errors():
        raise ClientError(empty, "ListRoles")


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://iam.amazonaws.com"),
        ConnectTimeoutError(endpoint_url="https://iam.amazonaws.com"),
        ReadTimeoutError(endpoint_url="https://iam.amazonaws.com"),
        ConnectionClosedError(endpoint_url="https://iam.amazonaws.com"),
        ProxyConnectionError(proxy_url="https://proxy"),
        SSLError(endpoint_url="https://iam.amazonaws.com", error="handshake"),
        HTTPClientError(error="broken pipe"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_connection_is_unavailable(error: BotoCoreError) -> None:
    with pytest.raises(AwsUnavailable), aws_errors():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        ParamValidationError(report="RoleName is too long"),
        NoCredentialsError(),
        UnknownServiceError(service_name="imu", known_service_names="iam"),
        KeyError("Role"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_mistakes_that_no_retry_fixes_keep_their_own_names(error: Exception) -> None:
    with pytest.raises(type(error)), aws_errors():
        raise error


def test_the_message_names_the_call() -> None:
    assert "ListRoles" in str(translated("AccessDenied", 403))


class Made(list[str]):
    """The services for which a client was made, in order; none was before."""

    def __call__(self, service: str, **_config: Any) -> object:
        self.append(service)
        return object()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    made = Made()
    monkeypatch.setattr(clients, "_clients", {})
    monkeypatch.setattr(clients, "_new_client", made)
    monkeypatch.setattr(clients, "_check", lambda *_: None)
    return made


@pytest.mark.parametrize(("retry", "attempts"), [(True, 3), (False, 1)])
def test_a_client_that_must_not_repeat_sends_once(retry: bool, attempts: int) -> None:
    config = new_client("ecs", retry=retry).meta.config
    assert config.retries["total_max_attempts"] == attempts


def test_an_environment_makes_one_client_for_a_service(made: Made) -> None:
    assert new_client("iam") is new_client("iam")
    assert new_client("ecs") is not new_client("iam")
    assert made == ["iam", "ecs"]


def test_the_client_that_sends_once_is_not_the_one_that_retries(made: Made) -> None:
    assert new_client("ecs", retry=False) is not new_client("ecs")
    assert new_client("ecs", retry=False) is new_client("ecs", retry=False)
    assert made == ["ecs", "ecs"]


def test_threads_that_need_a_client_at_the_same_time_share_one(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(service: str, **config: Any) -> object:
        time.sleep(0.05)
        return made(service, **config)

    monkeypatch.setattr(clients, "_new_client", slowly)
    found = each(lambda _: new_client("dynamodb"), tuple(range(8)))
    assert len(set(map(id, found))) == 1 and made == ["dynamodb"]


@pytest.mark.parametrize("working", [True, False], ids=["that works", "that rests"])
def test_a_client_is_made_without_the_collector(monkeypatch: pytest.MonkeyPatch, working: bool) -> None:
    at_work = []
    monkeypatch.setattr(clients, "_clients", {})
    monkeypatch.setattr(clients, "_check", lambda *_: None)
    monkeypatch.setattr(clients, "_new_client", lambda *_args, **_more: at_work.append(gc.isenabled()))
    (gc.enable if working else gc.disable)()
    try:
        new_client("iam")
        assert (at_work, gc.isenabled()) == ([False], working)
    finally:
        gc.enable()


def write(code: str | None) -> Callable[[], None]:
    def written() -> None:
        if code:
            raise AwsRefused("no", code)

    return written


@pytest.mark.parametrize(("code", "met"), [(None, True), ("ConditionalCheckFailedException", False)])
def test_a_write_says_whether_its_condition_was_met(code: str | None, met: bool) -> None:
    assert condition_met(write(code)) is met


def test_another_refusal_is_no_condition() -> None:
    with pytest.raises(AwsRefused):
        condition_met(write("AccessDeniedException"))
