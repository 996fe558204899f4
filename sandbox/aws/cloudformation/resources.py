"""CloudFormation resource types: what each creates through the API, its Ref and its attributes.

CloudFormation template reference, "Return values" of each type. Properties pass to the API call that
CloudFormation makes; those that moto does not model (X-Ray, log formats, contributor insights) are kept where
moto keeps them and otherwise have no effect here.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import yaml

Properties: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Created:
    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class Account(Protocol):
    """Where a stack is created: an account in this process, or one that is served."""

    @property
    def account_id(self) -> str: ...
    @property
    def region(self) -> str: ...
    def client(self, service: str) -> Any: ...


@dataclass(frozen=True)
class Context:
    """What a creator may use: the account, and of its stack the names and the files.

    file: the local file or folder that stands for an object in a bucket. use_code: has Lambda run a function
    (its name) from a folder.
    """

    core: Account
    physical_name: Callable[[str], str]
    file: Callable[[str, str], Path]
    use_code: Callable[[str, Path], None]


def _only(properties: Properties, *names: str) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def _camel(value: Any) -> Any:
    """Some APIs begin names in lower case where CloudFormation does not."""
    if isinstance(value, Mapping):
        return {key[0].lower() + key[1:]: _camel(item) for key, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _policy(document: Properties) -> str:
    """SAM's policy templates name no version, which IAM takes and moto does not."""
    return json.dumps({"Version": "2012-10-17"} | dict(document))


def _role(context: Context, logical_id: str, p: Properties) -> Created:
    iam = context.core.client("iam")
    name = p.get("RoleName") or context.physical_name(logical_id)
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(p["AssumeRolePolicyDocument"]),
        **_only(p, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags"),
    )["Role"]
    for arn in p.get("ManagedPolicyArns", []):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    for policy in p.get("Policies", []):
        document = _policy(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    return Created(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _inline_policy(context: Context, logical_id: str, p: Properties) -> Created:
    for role in p.get("Roles", []):
        context.core.client("iam").put_role_policy(
            RoleName=role, PolicyName=p["PolicyName"], PolicyDocument=_policy(p["PolicyDocument"])
        )
    return Created(p["PolicyName"])


def _managed_policy(context: Context, logical_id: str, p: Properties) -> Created:
    iam = context.core.client("iam")
    arn = iam.create_policy(
        PolicyName=p.get("ManagedPolicyName") or context.physical_name(logical_id),
        PolicyDocument=_policy(p["PolicyDocument"]),
        **_only(p, "Path", "Description"),
    )["Policy"]["Arn"]
    for role in p.get("Roles", []):
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    return Created(arn, {"PolicyArn": arn})


def _function(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("FunctionName") or context.physical_name(logical_id)
    code = p["Code"]
    if "ZipFile" in code:
        packed = _zip({"index.py": code["ZipFile"]})
    else:
        # The folder itself is run; what moto keeps only has to be a zip file.
        context.use_code(name, context.file(code["S3Bucket"], code["S3Key"]))
        packed = _EMPTY
    arn = context.core.client("lambda").create_function(
        FunctionName=name,
        Code={"ZipFile": packed},
        Tags={tag["Key"]: tag["Value"] for tag in p.get("Tags", [])},
        **_only(p, "Role", "Handler", "Runtime", "Timeout", "MemorySize", "Description", "Environment"),
        **_only(p, "TracingConfig", "Architectures", "LoggingConfig"),
    )["FunctionArn"]
    if "ReservedConcurrentExecutions" in p:
        # A template's numbers may be texts, such as a parameter's.
        reserved = int(p["ReservedConcurrentExecutions"])
        context.core.client("lambda").put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=reserved
        )
    return Created(name, {"Arn": arn})


def _permission(context: Context, logical_id: str, p: Properties) -> Created:
    known = _only(p, "FunctionName", "Action", "Principal", "SourceArn", "SourceAccount")
    context.core.client("lambda").add_permission(StatementId=logical_id, **known)
    return Created(logical_id)


def _function_url(context: Context, logical_id: str, p: Properties) -> Created:
    made = context.core.client("lambda").create_function_url_config(
        FunctionName=p["TargetFunctionArn"], **_only(p, "AuthType", "Cors", "InvokeMode")
    )
    attributes = {name: made[name] for name in ("FunctionArn", "FunctionUrl")}
    return Created(made["FunctionArn"], attributes)


def _event_invoke_config(context: Context, logical_id: str, p: Properties) -> Created:
    names = (
        "FunctionName",
        "Qualifier",
        "MaximumRetryAttempts",
        "MaximumEventAgeInSeconds",
        "DestinationConfig",
    )
    context.core.client("lambda").put_function_event_invoke_config(**_only(p, *names))
    return Created(logical_id)


def _state_machine(context: Context, logical_id: str, p: Properties) -> Created:
    if "DefinitionS3Location" in p:
        location = p["DefinitionS3Location"]
        file = context.file(location["Bucket"], location["Key"])
        text = _definition(file, p.get("DefinitionSubstitutions", {}))
    else:
        text = p.get("DefinitionString") or json.dumps(p["Definition"])
    name = p.get("StateMachineName") or context.physical_name(logical_id)
    more = _camel(_only(p, "LoggingConfiguration", "TracingConfiguration", "Tags"))
    arn = context.core.client("stepfunctions").create_state_machine(
        name=name, definition=text, roleArn=p["RoleArn"], type=p.get("StateMachineType", "STANDARD"), **more
    )["stateMachineArn"]
    return Created(arn, {"Arn": arn, "Name": name})


def _rule(context: Context, logical_id: str, p: Properties) -> Created:
    events = context.core.client("events")
    name = p.get("Name") or context.physical_name(logical_id)
    pattern = {"EventPattern": json.dumps(p["EventPattern"])} if "EventPattern" in p else {}
    known = _only(p, "ScheduleExpression", "State", "Description", "RoleArn", "EventBusName")
    arn = events.put_rule(Name=name, **pattern, **known)["RuleArn"]
    if p.get("Targets"):
        events.put_targets(Rule=name, Targets=p["Targets"], **_only(p, "EventBusName"))
    return Created(name, {"Arn": arn})


def _schedule_group(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("Name") or context.physical_name(logical_id)
    answer = context.core.client("scheduler").create_schedule_group(Name=name, **_only(p, "Tags"))
    return Created(name, {"Arn": answer["ScheduleGroupArn"]})


def _table(context: Context, logical_id: str, p: Properties) -> Created:
    dynamodb = context.core.client("dynamodb")
    name = p.get("TableName") or context.physical_name(logical_id)
    known = _only(p, "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "Tags")
    known |= _only(p, "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "DeletionProtectionEnabled")
    if "SSESpecification" in p:
        sse = p["SSESpecification"]
        known["SSESpecification"] = {"Enabled": sse["SSEEnabled"]} | _only(sse, "SSEType", "KMSMasterKeyId")
    arn = dynamodb.create_table(TableName=name, **known)["TableDescription"]["TableArn"]
    if "PointInTimeRecoverySpecification" in p:
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification=p["PointInTimeRecoverySpecification"]
        )
    if "TimeToLiveSpecification" in p:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=p["TimeToLiveSpecification"])
    return Created(name, {"Arn": arn})


def _topic(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("TopicName") or context.physical_name(logical_id)
    attributes = _only(p, "DisplayName", "KmsMasterKeyId")
    arn = context.core.client("sns").create_topic(Name=name, Attributes=attributes)["TopicArn"]
    for subscription in p.get("Subscription", []):
        context.core.client("sns").subscribe(TopicArn=arn, **_only(subscription, "Protocol", "Endpoint"))
    return Created(arn, {"TopicArn": arn, "TopicName": name})


def _topic_policy(context: Context, logical_id: str, p: Properties) -> Created:
    for topic in p["Topics"]:
        context.core.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(p["PolicyDocument"])
        )
    return Created(logical_id)


def _subscription(context: Context, logical_id: str, p: Properties) -> Created:
    answer = context.core.client("sns").subscribe(**_only(p, "TopicArn", "Protocol", "Endpoint"))
    return Created(answer["SubscriptionArn"])


def _queue(context: Context, logical_id: str, p: Properties) -> Created:
    sqs = context.core.client("sqs")
    name = p.get("QueueName") or context.physical_name(logical_id)
    attributes = {
        key: json.dumps(value) if isinstance(value, Mapping | bool) else str(value)
        for key, value in p.items()
        if key not in ("QueueName", "Tags")
    }
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Created(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def _queue_policy(context: Context, logical_id: str, p: Properties) -> Created:
    for queue in p["Queues"]:
        policy = json.dumps(p["PolicyDocument"])
        context.core.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    return Created(logical_id)


def _log_group(context: Context, logical_id: str, p: Properties) -> Created:
    logs = context.core.client("logs")
    name = p.get("LogGroupName") or context.physical_name(logical_id)
    logs.create_log_group(logGroupName=name)
    if "RetentionInDays" in p:
        logs.put_retention_policy(logGroupName=name, retentionInDays=int(p["RetentionInDays"]))
    arn = f"arn:aws:logs:{context.core.region}:{context.core.account_id}:log-group:{name}:*"
    return Created(name, {"Arn": arn})


def _metric_filter(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("FilterName") or context.physical_name(logical_id)
    transformations = _camel(p["MetricTransformations"])
    for each in transformations:
        each["metricValue"] = str(each["metricValue"])
    context.core.client("logs").put_metric_filter(
        logGroupName=p["LogGroupName"],
        filterName=name,
        filterPattern=p["FilterPattern"],
        metricTransformations=transformations,
    )
    return Created(name)


def _alarm(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("AlarmName") or context.physical_name(logical_id)
    known = {key: value for key, value in p.items() if key != "AlarmName"}
    for number in ("Period", "EvaluationPeriods", "DatapointsToAlarm"):
        if number in known:
            known[number] = int(known[number])
    if "Threshold" in known:
        known["Threshold"] = float(known["Threshold"])
    context.core.client("cloudwatch").put_metric_alarm(AlarmName=name, **known)
    arn = f"arn:aws:cloudwatch:{context.core.region}:{context.core.account_id}:alarm:{name}"
    return Created(name, {"Arn": arn})


def _parameter(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("Name") or context.physical_name(logical_id)
    context.core.client("ssm").put_parameter(
        Name=name, **_only(p, "Type", "Value", "Description", "AllowedPattern", "Tier")
    )
    return Created(name, {"Type": p["Type"], "Value": p["Value"]})


def _definition(file: Path, substitutions: Mapping[str, str]) -> str:
    """A state machine's definition as JSON, with ${Name} replaced as text before it is read."""
    text = re.sub(r"\$\{(\w+)\}", lambda m: str(substitutions.get(m.group(1), m.group(0))), file.read_text())
    return _json(text)


@lru_cache(maxsize=8)
def _json(text: str) -> str:
    return json.dumps(yaml.safe_load(text))


def _zip(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


_EMPTY = _zip({})

CREATORS: dict[str, Callable[[Context, str, Properties], Created]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Policy": _inline_policy,
    "AWS::IAM::Role": _role,
    "AWS::Lambda::EventInvokeConfig": _event_invoke_config,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::Url": _function_url,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SSM::Parameter": _parameter,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
    "AWS::StepFunctions::StateMachine": _state_machine,
}
