"""Four full lists deploy: nothing that they stand in is larger than AWS takes.

Sources: CloudFormation, Lambda, "IAM and STS quotas" and Systems Manager quotas.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.template.cloudformation import Template, Values, roles

PARAMETER = 4096  # bytes of a CloudFormation parameter
VARIABLES = 4096  # bytes of all variables of a function
INLINE = 10_240  # characters of all policies that are a role's own; white space does not count
MANAGED = 6144  # characters of a managed policy; white space does not count
POLICIES = 10  # managed policies on a role
VALUES = {"Standard": 4096, "Advanced": 8192, "Intelligent-Tiering": 8192}  # characters of an SSM parameter

# Lengths of 50 ARNs that fill a parameter to the last byte, with the commas.
FIFTY = [*[81] * 47, *[80] * 3]
REGION, ACCOUNT = "us-gov-west-1", "123456789012"
IAM = f"arn:aws-us-gov:iam::{ACCOUNT}"
# A function's name has at most 64 characters, and -redeploy-service is the longest end of one.
STACK = "s" * 47
LISTS = {
    "ManagedRoleArns": f"{IAM}:role/",
    "GrantablePolicyArns": f"{IAM}:policy/",
    "ManagedClusterArns": f"arn:aws-us-gov:ecs:{REGION}:{ACCOUNT}:cluster/",
    "ExecutionRoleArns": f"{IAM}:role/execution/",
}


def fifty(start: str) -> list[str]:
    """The longest ARNs of which a parameter takes 50."""
    return [f"{start}{number:02}-".ljust(length, "x") for number, length in enumerate(FIFTY)]


def short(start: str) -> list[str]:
    """As many as a parameter takes: each is quoted in a policy, so these make the larger ones."""
    count = (PARAMETER + 1) // (len(start) + len("000,"))
    return [f"{start}{number:03}" for number in range(count)]


def size(document: Any) -> int:
    return len(re.sub(r"\s", "", json.dumps(document)))


@pytest.fixture(scope="module", params=[fifty, short])
def values(request: pytest.FixtureRequest, source: Template, stack: Template) -> Values:
    """Full lists in the stack with the longest name, and resources as CloudFormation names them."""
    names = {name: f"{STACK}-{name}-ABCDEFGHIJKLM" for name in stack["Resources"]}
    arn = f"arn:aws-us-gov:dynamodb:{REGION}:{ACCOUNT}:table/"
    return Values(
        source,
        **names,
        **{f"{name}.Arn": arn + physical for name, physical in names.items()},
        **{name: request.param(start) for name, start in LISTS.items()},
        TerraformStateObjectArns=request.param("arn:aws-us-gov:s3:::retainwise-terraform-state/"),
        AlarmNamePrefix="a" * 200 + "/",
        LogGroupPrefix=",".join("/" + letter * 500 for letter in "abcde"),
        **{"AWS::StackName": STACK, "AWS::Region": REGION, "AWS::Partition": "aws-us-gov"},
    )


def test_the_lists_are_full_and_are_what_the_parameters_take(source: Template, values: Values) -> None:
    for name in LISTS:
        arns = values({"Ref": name})
        assert len(set(arns)) == len(arns) >= 50
        assert PARAMETER - len(arns[0]) <= len(",".join(arns).encode()) <= PARAMETER, name
        pattern = source["Parameters"][name]["AllowedPattern"]
        assert all(re.fullmatch(pattern, arn) for arn in arns), name


def test_fifty_arns_of_80_characters_are_a_full_list() -> None:
    assert len(",".join(fifty("arn:"))) == PARAMETER and len(FIFTY) == 50 and min(FIFTY) == 80


def test_every_environment_fits(stack: Template, values: Values) -> None:
    sizes = {
        name: len(json.dumps(values(each["Properties"]["Environment"]["Variables"])).encode())
        for name, each in stack["Resources"].items()
        if each["Type"] == "AWS::Lambda::Function"
    }
    assert {name: bytes_ for name, bytes_ in sizes.items() if bytes_ > VARIABLES} == {}


def test_every_roles_own_policies_fit(stack: Template, values: Values) -> None:
    sizes = {
        name: sum(size(values(each["PolicyDocument"])) for each in role.get("Policies", []))
        for name, role in roles(stack).items()
    }
    assert {name: characters for name, characters in sizes.items() if characters > INLINE} == {}


def test_every_managed_policy_fits(stack: Template, values: Values) -> None:
    sizes = {
        name: size(values(each["Properties"]["PolicyDocument"]))
        for name, each in stack["Resources"].items()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
    }
    assert {name: characters for name, characters in sizes.items() if characters > MANAGED} == {}


def test_no_role_has_too_many_policies(stack: Template) -> None:
    counts = {name: len(role.get("ManagedPolicyArns", [])) for name, role in roles(stack).items()}
    assert {name: count for name, count in counts.items() if count > POLICIES} == {}


def test_every_list_fits_its_parameter_of_systems_manager(stack: Template, values: Values) -> None:
    parameters = [e["Properties"] for e in stack["Resources"].values() if e["Type"] == "AWS::SSM::Parameter"]
    assert len(parameters) == len(LISTS)
    for each in parameters:
        assert len(values(each["Value"])) <= VALUES[each["Tier"]], each["Name"]
