"""The owner's lists: one call for all that are wanted, kept for a minute, and none is missed unnoticed."""

from typing import Any

import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from regrant.aws.allowed import ParameterLists
from regrant.errors import AwsRefused, AwsUnavailable
from regrant.model.catalogue import Service, parameter_name
from regrant.opening.catalogue import read_entry
from regrant.settings import Allowed
from tests.aws.account import ALLOWED_PREFIX as PREFIX
from tests.aws.account import create_lists, enrol
from tests.unit.fakes import ALLOWED, CATALOGUE, ENTRY, WORKER, at

# The seed's lists, but no execution roles are listed.
SEED = replace(ALLOWED, execution_roles=frozenset())


def named(service: Service) -> str:
    return parameter_name(CATALOGUE, service)


@pytest.fixture
def ssm() -> Any:
    enrol()
    return create_lists(SEED)


@pytest.fixture
def asked(ssm: Any) -> list[list[str]]:
    """The names of each GetParameters."""
    calls: list[list[str]] = []
    event = "provide-client-params.ssm.GetParameters"
    ssm.meta.events.register(event, lambda params, **_: calls.append(params["Names"]))
    return calls


def test_the_lists_that_are_asked_for_come_in_one_call(ssm: Any, asked: list[list[str]]) -> None:
    allowed = ParameterLists(ssm, PREFIX, named).read(at(0), "roles", "policies")
    assert allowed == Allowed(roles=ALLOWED.roles, policies=ALLOWED.policies)
    assert asked == [[f"{PREFIX}roles", f"{PREFIX}policies"]]


def test_a_list_that_is_not_asked_for_allows_nothing(ssm: Any) -> None:
    assert ParameterLists(ssm, PREFIX, named).read(at(0), "roles").policies == frozenset()


def test_a_list_may_be_empty(ssm: Any) -> None:
    assert ParameterLists(ssm, PREFIX, named).read(at(0), "execution_roles") == Allowed()


def test_an_entry_comes_in_the_same_call_as_the_lists(ssm: Any, asked: list[list[str]]) -> None:
    text, allowed = ParameterLists(ssm, PREFIX, named).read_with_entry(WORKER, at(0), "policies", "clusters")
    assert read_entry(text, WORKER, ALLOWED, CATALOGUE) == ENTRY
    assert allowed == Allowed(policies=ALLOWED.policies, clusters=ALLOWED.clusters)
    assert asked == [[f"{PREFIX}policies", f"{PREFIX}clusters", f"/regrant/services/{WORKER}"]]


def test_a_service_that_is_not_enrolled_has_no_entry(ssm: Any) -> None:
    text, allowed = ParameterLists(ssm, PREFIX, named).read_with_entry(Service("c", "s"), at(0), "clusters")
    assert text is None and allowed.clusters == ALLOWED.clusters


def test_lists_are_kept_for_a_minute_but_an_entry_is_read_each_time(ssm: Any, asked: list[list[str]]) -> None:
    lists = ParameterLists(ssm, PREFIX, named)
    lists.read(at(0), "clusters")
    lists.read(at(59), "clusters")
    lists.read_with_entry(WORKER, at(59), "policies", "clusters")
    assert asked[1:] == [[f"{PREFIX}policies", f"/regrant/services/{WORKER}"]]


def test_a_list_that_was_changed_is_known_a_minute_later(ssm: Any) -> None:
    lists = ParameterLists(ssm, PREFIX, named)
    lists.read(at(0), "roles")
    create_lists(replace(SEED, roles=frozenset()))
    assert lists.read(at(60), "roles") == Allowed()


def test_a_list_that_is_missing_is_refused_and_not_taken_to_be_empty(ssm: Any) -> None:
    ssm.delete_parameter(Name=f"{PREFIX}roles")
    with pytest.raises(AwsRefused, match=f"{PREFIX}roles") as refused:
        ParameterLists(ssm, PREFIX, named).read(at(0), "roles")
    assert refused.value.code == "ParameterNotFound"


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", AwsRefused), ("ThrottlingException", AwsUnavailable)]
)
def test_lists_that_cannot_be_read_are_a_failure(ssm: Any, code: str, error: type[Exception]) -> None:
    with Stubber(ssm) as stub:
        stub.add_client_error("get_parameters", code)
        with pytest.raises(error):
            ParameterLists(ssm, PREFIX, named).read(at(0), "roles")
