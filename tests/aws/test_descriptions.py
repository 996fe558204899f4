"""The services' descriptions are botocore's own, however they were read."""

from __future__ import annotations

import os

import pytest
from botocore.loaders import Loader

from regrant.aws.account import Account
from regrant.aws.clients import SERVICES, Descriptions
from tests.aws.test_account import PARTS


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1", "paginators-1"])
def test_a_description_is_the_one_that_botocore_reads(service: str, kind: str) -> None:
    ours = Descriptions().load_service_model(service, kind)
    assert ours and ours == Loader().load_service_model(service, kind)


def test_what_is_of_no_service_is_read_as_well() -> None:
    assert Descriptions().load_data("endpoints") == Loader().load_data("endpoints")


def test_every_service_that_an_adapter_calls_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Client:
        def __init__(self, service: str, *, retry: bool = True) -> None:
            asked.append(service)

        def __getattr__(self, name: str) -> Client:
            return self

        def __call__(self, *given: object, **named: object) -> Client:
            return self

    monkeypatch.setattr("regrant.aws.account.client", Client)
    for part in PARTS:
        getattr(Account(), part)
    assert set(asked) == set(SERVICES)


def test_no_folder_is_searched_for_other_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", lambda folder: pytest.fail(f"{folder} was searched"))
    assert Descriptions().list_available_services("service-2") == SERVICES
