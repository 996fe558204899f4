"""Who may read a Terraform state, which holds secrets: nobody, unless the stack's owner lists it."""

from __future__ import annotations

import re

import pytest

from tests.template.cloudformation import ACCOUNT, Template, Values, load, statements

STATE = "arn:aws:s3:::retainwise-terraform-state/env:/prod/terraform.tfstate"


def test_a_diagnosis_alone_may_read_the_listed_objects_of_this_account(
    stack: Template, source: Template
) -> None:
    values = Values(source, TerraformStateObjectArns=[STATE])
    ((owner, statement),) = [each for each in statements(stack) if "s3:" in str(each[1]["Action"])]
    assert (owner, statement["Action"]) == ("Diagnose", "s3:GetObject")
    assert values(statement["Resource"]) == [STATE]
    assert values(statement["Condition"]) == {"StringEquals": {"s3:ResourceAccount": ACCOUNT}}


def test_without_a_list_nothing_may_be_read(stack: Template, source: Template) -> None:
    none, some = Values(source), Values(source, TerraformStateObjectArns=[STATE])
    assert (none.conditions["ReadsTerraformStates"], some.conditions["ReadsTerraformStates"]) == (False, True)
    assert stack["Resources"]["ReadTerraformStatesPolicy"]["Condition"] == "ReadsTerraformStates"
    attached = stack["Resources"]["DiagnoseFunctionRole"]["Properties"]["ManagedPolicyArns"]
    ours = {"Ref": "ReadTerraformStatesPolicy"}
    assert {"Fn::If": ["ReadsTerraformStates", ours, {"Ref": "AWS::NoValue"}]} in attached
    assert ours not in attached


@pytest.mark.parametrize("template", ["template.yaml", "enrol/service.yaml"])
def test_a_state_is_one_object(template: str) -> None:
    parameters = load(template)["Parameters"]
    name = "TerraformStateObjectArns" if template == "template.yaml" else "TerraformStateArn"
    pattern = parameters[name]["AllowedPattern"]
    assert parameters[name]["Default"] == "" and re.fullmatch(pattern, "") and re.fullmatch(pattern, STATE)
    for wide in (
        "*",
        STATE + "*",
        STATE + "?",
        "arn:aws:s3:::*/x",
        "arn:aws:s3:::bucket",
        "arn:aws:s3:::bucket/",
    ):
        assert not re.fullmatch(pattern, wide), wide


def test_an_enrolment_names_what_the_runbook_reads(source: Template) -> None:
    enrol = load("enrol/service.yaml")
    patterns = [
        enrol["Parameters"]["TerraformStateArn"]["AllowedPattern"],
        source["Parameters"]["TerraformStateObjectArns"]["AllowedPattern"],
    ]
    assert patterns[0] == patterns[1]
