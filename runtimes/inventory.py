"""Everything in an account that a stack of ours could leave behind, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Client = Callable[[str], Any]

_LISTS: dict[str, tuple[str, str, str, str, Mapping[str, Any]]] = {
    # kind: (service, operation, member of the answer, member of each item or "" for itself, request)
    "function": ("lambda", "list_functions", "Functions", "FunctionName", {}),
    "role": ("iam", "list_roles", "Roles", "RoleName", {}),
    "policy": ("iam", "list_policies", "Policies", "Arn", {"Scope": "Local"}),
    "rule": ("events", "list_rules", "Rules", "Name", {}),
    "state machine": ("stepfunctions", "list_state_machines", "stateMachines", "name", {}),
    "log group": ("logs", "describe_log_groups", "logGroups", "logGroupName", {}),
    "topic": ("sns", "list_topics", "Topics", "TopicArn", {}),
    "queue": ("sqs", "list_queues", "QueueUrls", "", {}),
    "table": ("dynamodb", "list_tables", "TableNames", "", {}),
    "alarm": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName", {}),
    "parameter": ("ssm", "describe_parameters", "Parameters", "Name", {}),
    "schedule": ("scheduler", "list_schedules", "Schedules", "Name", {}),
    "schedule group": ("scheduler", "list_schedule_groups", "ScheduleGroups", "Name", {}),
    "bucket": ("s3", "list_buckets", "Buckets", "Name", {}),
}


def inventory(client: Client) -> set[tuple[str, str]]:
    """(kind, name) of each; `unlisted` says what a template has beside these kinds."""
    found = set()
    for kind, (service, operation, member, name, request) in _LISTS.items():
        pages = _pages(client(service), operation, request)
        items = [item for page in pages for item in page.get(member) or []]
        found |= {called(kind, item[name] if name else item) for item in items}
    return found


def called(kind: str, name: str) -> tuple[str, str]:
    """A queue by its name, because one queue has several URLs in an emulator."""
    return kind, name.rpartition("/")[2] if kind == "queue" else name


KINDS = {
    "AWS::CloudWatch::Alarm": "alarm",
    "AWS::DynamoDB::Table": "table",
    "AWS::Events::Rule": "rule",
    "AWS::IAM::ManagedPolicy": "policy",
    "AWS::IAM::Role": "role",
    "AWS::Lambda::Function": "function",
    "AWS::Logs::LogGroup": "log group",
    "AWS::SNS::Topic": "topic",
    "AWS::SQS::Queue": "queue",
    "AWS::SSM::Parameter": "parameter",
    "AWS::Scheduler::Schedule": "schedule",
    "AWS::Scheduler::ScheduleGroup": "schedule group",
    "AWS::StepFunctions::StateMachine": "state machine",
    "AWS::S3::Bucket": "bucket",
}
_PART_OF_ANOTHER = {
    "AWS::IAM::Policy",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}


def unlisted(types: set[str]) -> set[str]:
    """Resource types that the inventory would not see."""
    return types - KINDS.keys() - _PART_OF_ANOTHER


def _pages(client: Any, operation: str, request: Mapping[str, Any]) -> Any:
    if client.can_paginate(operation):
        return client.get_paginator(operation).paginate(**request)
    return [getattr(client, operation)(**request)]
