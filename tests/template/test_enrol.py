"""Enrolling a service: its catalogue entry is one that the runbook reads, its alarm one that starts it."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from regrant.model.catalogue import CatalogueEntry, HealthPolicy
from tests.template.cloudformation import Template, Values, load

ROLE = "arn:aws:iam::123456789012:role/worker"
POLICIES = ["arn:aws:iam::123456789012:policy/receive", "arn:aws:iam::123456789012:policy/send"]
QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"


@pytest.fixture(scope="module")
def template() -> Template:
    return load("enrol/service.yaml")


def enrolled(template: Template, **more: str | list[str]) -> Template:
    """The stack's resources for the service shop/worker."""
    values = Values(
        template,
        Cluster="shop",
        Service="worker",
        TaskRoleArn=ROLE,
        PolicyArns=POLICIES,
        LogGroupName="/ecs/worker",
        SuccessText="Successfully received",
        **more,
    )
    return {name: values(each["Properties"]) for name, each in template["Resources"].items()}


def entry(resources: Template) -> CatalogueEntry:
    return msgspec.convert(json.loads(resources["CatalogueEntry"]["Value"]), CatalogueEntry)


def test_the_catalogue_entry_is_the_one_that_the_runbook_reads(template: Template) -> None:
    resources = enrolled(template, QueueArn=QUEUE, DeadLetterQueueArn=QUEUE + "-dlq", Redeploy="never")
    assert resources["CatalogueEntry"]["Name"] == "/regrant/services/shop/worker"
    assert entry(resources) == CatalogueEntry(
        task_role=ROLE,
        policies=tuple(POLICIES),
        health=HealthPolicy("Successfully received", queue=QUEUE, dead_letter_queue=QUEUE + "-dlq"),
        redeploy="never",
    )


def test_the_state_that_says_who_has_which_policies_is_in_its_entry(template: Template) -> None:
    state = "arn:aws:s3:::terraform-states/prod/terraform.tfstate"
    assert entry(enrolled(template, TerraformStateArn=state)).terraform_state == state
    assert "terraform_state" not in enrolled(template)["CatalogueEntry"]["Value"]


def test_a_service_without_queues_has_none_in_its_entry(template: Template) -> None:
    assert entry(enrolled(template)).health == HealthPolicy("Successfully received")


def test_a_service_that_ignores_no_action_says_nothing_of_it(template: Template) -> None:
    assert "ignore_actions" not in enrolled(template)["CatalogueEntry"]["Value"]


def test_the_actions_that_it_ignores_are_in_its_entry(template: Template) -> None:
    ignored = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    assert entry(enrolled(template, IgnoreActions=ignored)).ignore_actions == tuple(ignored)


@pytest.mark.parametrize("text", ["*", "xray:*", "xray:Put?", "xray", "xray:", 'a:B", "c', "xray:Put\n", " "])
def test_what_is_no_whole_action_cannot_be_ignored(template: Template, text: str) -> None:
    assert not re.fullmatch(template["Parameters"]["IgnoreActions"]["AllowedPattern"], text)


def test_its_alarm_watches_its_own_filter_and_starts_the_runbook(
    template: Template, source: Template
) -> None:
    resources = enrolled(template)
    (metric,) = resources["DenialFilter"]["MetricTransformations"]
    alarm = resources["DenialAlarm"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])
    assert alarm["AlarmName"] == Values(source)(source["Outputs"]["AlarmNamePrefix"]["Value"]) + "shop/worker"


@pytest.mark.parametrize(("prefix", "of_alarms"), [("", "regrant-prod/"), ("ours/", "ours/")])
def test_two_runbooks_of_one_account_share_neither_alarms_nor_entries(
    template: Template, source: Template, prefix: str, of_alarms: str
) -> None:
    runbook = Values(source, **{"AWS::StackName": "regrant-prod", "AlarmNamePrefix": prefix})
    enrolment = enrolled(template, Runbook="regrant-prod", AlarmNamePrefix=prefix)
    outputs = {name: runbook(each["Value"]) for name, each in source["Outputs"].items() if "Prefix" in name}
    assert outputs == {"AlarmNamePrefix": of_alarms, "CataloguePrefix": "/regrant-prod/services/"}
    assert enrolment["DenialAlarm"]["AlarmName"] == f"{of_alarms}shop/worker"
    assert enrolment["CatalogueEntry"]["Name"] == "/regrant-prod/services/shop/worker"
    pattern = runbook(source["Resources"]["AlarmRule"]["Properties"]["EventPattern"])
    assert pattern["detail"]["alarmName"] == [{"prefix": of_alarms}]
    for step in ("OpenIncident", "Diagnose", "AskApproval", "CaptureBaseline", "WithdrawGrants"):
        variables = source["Resources"][f"{step}Function"]["Properties"]["Environment"]["Variables"]
        assert runbook(variables["CATALOGUE_PREFIX"]) == outputs["CataloguePrefix"]


def test_a_quiet_service_neither_alarms_nor_costs_a_metric(template: Template) -> None:
    resources = enrolled(template)
    assert resources["DenialAlarm"]["TreatMissingData"] == "notBreaching"
    assert "DefaultValue" not in resources["DenialFilter"]["MetricTransformations"][0]


@pytest.mark.parametrize("text", ['"', 'a", "queue": "x', "back\\slash", "two\nlines", ""])
def test_a_success_text_cannot_break_out_of_the_entry(template: Template, text: str) -> None:
    assert not re.fullmatch(template["Parameters"]["SuccessText"]["AllowedPattern"], text)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("TaskRoleArn", "ManagedRoleArns"),
        ("PolicyArns", "GrantablePolicyArns"),
        ("AlarmNamePrefix", "AlarmNamePrefix"),
        ("LogGroupName", "LogGroupPrefix"),
    ],
)
def test_what_may_be_enrolled_is_what_the_runbook_accepts(
    template: Template, source: Template, ours: str, theirs: str
) -> None:
    characters = [
        # A list's pattern has them for its first and for each other.
        [*dict.fromkeys(re.findall(r"\[[^]]+\]", each["AllowedPattern"]))]
        for each in (template["Parameters"][ours], source["Parameters"][theirs])
    ]
    assert characters[0] == characters[1]
