"""The services' descriptions are botocore's own, however they were read."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

import pytest
from botocore.loaders import Loader

from regrant.aws import clients
from regrant.aws.account import Account
from regrant.aws.clients import OPERATIONS, SERVICES, Descriptions
from regrant.errors import SdkTooOld
from tests.aws.account import client
from tests.aws.test_account import PARTS
from tests.template.cloudformation import ROOT


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


def test_every_call_that_an_adapter_makes_is_listed() -> None:
    """By its name in the source, as a method or as a paginator's operation."""
    source = "".join(path.read_text() for path in (ROOT / "functions/regrant/aws").rglob("*.py"))
    names = set(re.findall(r"\.([a-z_]+)\(", source)) | set(re.findall(r'get_paginator\("([a-z_]+)"', source))
    for service in SERVICES:
        known = set(client(service).meta.method_to_api_mapping)
        elsewhere = {name for other in SERVICES if other != service for name in OPERATIONS[other]}
        assert (names & known) - elsewhere == set(OPERATIONS[service]) - elsewhere, service


@pytest.mark.parametrize("service", SERVICES)
def test_a_runtime_whose_botocore_lacks_a_call_is_named_while_the_function_starts(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda developer guide, Runtime updates: a runtime's SDK is of no promised version."""
    known = dict(client(service).meta.method_to_api_mapping)
    gone = OPERATIONS[service][-1]
    del known[gone]
    old = SimpleNamespace(meta=SimpleNamespace(method_to_api_mapping=known))
    monkeypatch.setattr(clients, "_new_client", lambda *_, **__: old)
    monkeypatch.setattr(clients, "_clients", {})
    with pytest.raises(SdkTooOld, match=rf"botocore [0-9.]+ of this runtime has no {gone} of {service}\."):
        clients.client(service)


def test_no_folder_is_searched_for_other_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", lambda folder: pytest.fail(f"{folder} was searched"))
    assert Descriptions().list_available_services("service-2") == SERVICES
