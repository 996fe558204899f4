"""A name is read from the environment when it is asked for; a list that was not read allows nothing."""

from __future__ import annotations

import pytest

from regrant.settings import Allowed, Settings
from tests.unit.fakes import ACCOUNT, CLUSTER, REGION

ROLE = f"arn:aws:iam::{ACCOUNT}:role/app/worker"


def test_a_function_needs_only_the_variables_that_it_uses() -> None:
    assert Settings({"JOURNAL_TABLE": "journal"}).journal_table == "journal"


def test_a_variable_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="TOPIC_ARN"):
        _ = Settings({"JOURNAL_TABLE": "journal"}).topic


def test_a_cluster_is_managed_by_its_name() -> None:
    allowed = Allowed(clusters=frozenset({f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"}))
    assert allowed.cluster_is_managed(CLUSTER) and not allowed.cluster_is_managed(f"{CLUSTER}-2")


def test_a_role_is_managed_by_account_and_name_without_its_path() -> None:
    allowed = Allowed(roles=frozenset({ROLE}))
    assert allowed.role_is_managed(ACCOUNT, "worker")
    assert not allowed.role_is_managed("210987654321", "worker")
    assert not allowed.role_is_managed(ACCOUNT, "app/worker")


def test_without_a_list_nothing_is_managed() -> None:
    assert not Allowed().cluster_is_managed(CLUSTER)
    assert not Allowed().role_is_managed(ACCOUNT, "worker")
