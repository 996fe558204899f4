"""An account refuses what goes beyond the rates that AWS documents, until enough time has passed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.account import LocalAccount
from sandbox.engine.rates import FAMILIES, Rates
from sandbox.iam.requests import ACCOUNT

ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})


class Time:
    def __init__(self) -> None:
        self.seconds: float = 0

    def __call__(self) -> float:
        return self.seconds


def took(rates: Rates, service: str, operation: str, times: int) -> int:
    """How many of so many requests found a token."""
    return sum(rates.take(service, operation) for _ in range(times))


@pytest.mark.parametrize(
    ("service", "operation", "burst", "a_second"),
    [
        ("ecs", "DescribeServices", 100, 20),
        ("ecs", "UpdateService", 50, 5),
        ("ecs", "RegisterTaskDefinition", 20, 1),
        ("logs", "FilterLogEvents", 25, 25),
        ("states", "StartExecution", 1000, 200),
    ],
)
def test_a_burst_is_as_long_as_documented_and_each_second_brings_so_many_more(
    service: str, operation: str, burst: int, a_second: int
) -> None:
    time = Time()
    rates = Rates(time, 0)
    assert took(rates, service, operation, burst + 10) == burst
    time.seconds = 1
    assert took(rates, service, operation, burst) == a_second
    time.seconds = 3600
    assert took(rates, service, operation, burst + 10) == burst


def test_operations_of_one_family_share_their_tokens() -> None:
    rates = Rates(Time(), 0)
    assert took(rates, "ecs", "ListTasks", 90) == 90
    assert took(rates, "ecs", "DescribeTasks", 90) == 10
    assert took(rates, "ecs", "DescribeServices", 90) == 90


def test_no_operation_is_in_two_families() -> None:
    named = [(family.service, name) for family in FAMILIES for name in family.operations.split()]
    assert len(named) == len(set(named))


def test_where_others_ask_for_more_than_there_is_some_requests_are_refused_however_long_one_waits() -> None:
    time = Time()
    rates = Rates(time, 0)
    rates.others = 2
    for second in range(100):
        time.seconds = second * 60
        rates.take("iam", "GetRole")
    assert 400 < took(rates, "iam", "GetRole", 1000) < 600
    rates.others = 0
    assert took(rates, "iam", "GetRole", 10) == 0
    time.seconds += 3600
    assert took(rates, "iam", "GetRole", 10) == 10


@pytest.fixture
def account() -> Iterator[LocalAccount]:
    with LocalAccount() as account:
        iam: Any = account.client("iam")
        iam.create_role(RoleName="tool", AssumeRolePolicyDocument="{}")
        allow = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
        iam.put_role_policy(RoleName="tool", PolicyName="all", PolicyDocument=allow)
        yield account


def tool(account: LocalAccount, service: str, config: Config | None = ONCE) -> Any:
    return account.role_client("tool", service, "s", config)


@pytest.mark.parametrize(
    ("service", "call", "parameters", "burst", "code"),
    [
        ("iam", "get_role", {"RoleName": "tool"}, 60, "Throttling"),
        ("ecs", "list_clusters", {}, 50, "ThrottlingException"),
        ("logs", "describe_log_streams", {"logGroupName": "g"}, 25, "ThrottlingException"),
    ],
)
def test_the_request_after_the_burst_is_refused_in_the_services_own_words(
    account: LocalAccount, service: str, call: str, parameters: dict[str, str], burst: int, code: str
) -> None:
    account.client("logs").create_log_group(logGroupName="g")
    ask = getattr(tool(account, service), call)
    for _ in range(burst):
        ask(**parameters)
    with pytest.raises(ClientError) as error:
        ask(**parameters)
    assert error.value.response["Error"] == {"Code": code, "Message": "Rate exceeded"} | (
        {"Type": "Sender"} if service == "iam" else {}
    )


def test_the_sdk_gets_through_where_it_waits_for_the_next_token(account: LocalAccount) -> None:
    clusters = tool(account, "ecs").list_clusters
    for _ in range(50):
        clusters()
    tool(account, "ecs", None).list_clusters()
    assert [call.error for call in account.calls[-2:]] == ["ThrottlingException", None]
    assert account.clock.elapsed() > 0


def test_the_administrator_takes_no_token(account: LocalAccount) -> None:
    for _ in range(60):
        account.client("ecs").list_clusters()
    tool(account, "ecs").list_clusters()


def test_a_refused_request_does_not_take_place(account: LocalAccount) -> None:
    account.rates.others = 1e9
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    with pytest.raises(ClientError, match="Rate exceeded"):
        tool(account, "iam").attach_role_policy(RoleName="tool", PolicyArn=arn)
    listed = account.client("iam").list_attached_role_policies(RoleName="tool")
    assert listed["AttachedPolicies"] == []
