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
from functools import lru_cache
from pathlib import Path

import yaml

from sandbox.aws.cloudformation import building, notifying
from sandbox.aws.cloudformation.creation import Context, Created, Properties, camel, only


def _policy(document: Properties) -> str:
    """SAM's policy templates name no version, which IAM takes and moto does not."""
    return json.dumps({"Version": "2012-10-17"} | dict(document))


def _role(context: Context, logical_id: str, p: Properties) -> Created:
    iam = context.core.client("iam")
    name = p.get("RoleName") or context.physical_name(logical_id)
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(p["AssumeRolePolicyDocument"]),
        **only(p, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags"),
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
        **only(p, "Path", "Description"),
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
        **only(p, "Role", "Handler", "Runtime", "Timeout", "MemorySize", "Description", "Environment"),
        **only(p, "TracingConfig", "Architectures", "LoggingConfig"),
    )["FunctionArn"]
    if "ReservedConcurrentExecutions" in p:
        # A template's numbers may be texts, such as a parameter's.
        reserved = int(p["ReservedConcurrentExecutions"])
        context.core.client("lambda").put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=reserved
        )
    return Created(name, {"Arn": arn})


def _permission(context: Context, logical_id: str, p: Properties) -> Created:
    known = only(p, "FunctionName", "Action", "Principal", "SourceArn", "SourceAccount")
    context.core.client("lambda").add_permission(StatementId=logical_id, **known)
    return Created(logical_id)


def _function_url(context: Context, logical_id: str, p: Properties) -> Created:
    made = context.core.client("lambda").create_function_url_config(
        FunctionName=p["TargetFunctionArn"], **only(p, "AuthType", "Cors", "InvokeMode")
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
    context.core.client("lambda").put_function_event_invoke_config(**only(p, *names))
    return Created(logical_id)


def _state_machine(context: Context, logical_id: str, p: Properties) -> Created:
    if "DefinitionS3Location" in p:
        location = p["DefinitionS3Location"]
        file = context.file(location["Bucket"], location["Key"])
        text = _definition(file, p.get("DefinitionSubstitutions", {}))
    else:
        text = p.get("DefinitionString") or json.dumps(p["Definition"])
    name = p.get("StateMachineName") or context.physical_name(logical_id)
    more = camel(only(p, "LoggingConfiguration", "TracingConfiguration", "Tags"))
    arn = context.core.client("stepfunctions").create_state_machine(
        name=name, definition=text, roleArn=p["RoleArn"], type=p.get("StateMachineType", "STANDARD"), **more
    )["stateMachineArn"]
    return Created(arn, {"Arn": arn, "Name": name})


def _rule(context: Context, logical_id: str, p: Properties) -> Created:
    events = context.core.client("events")
    name = p.get("Name") or context.physical_name(logical_id)
    pattern = {"EventPattern": json.dumps(p["EventPattern"])} if "EventPattern" in p else {}
    known = only(p, "ScheduleExpression", "State", "Description", "RoleArn", "EventBusName")
    arn = events.put_rule(Name=name, **pattern, **known)["RuleArn"]
    if p.get("Targets"):
        events.put_targets(Rule=name, Targets=p["Targets"], **only(p, "EventBusName"))
    return Created(name, {"Arn": arn})


def _schedule_group(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("Name") or context.physical_name(logical_id)
    answer = context.core.client("scheduler").create_schedule_group(Name=name, **only(p, "Tags"))
    return Created(name, {"Arn": answer["ScheduleGroupArn"]})


def _table(context: Context, logical_id: str, p: Properties) -> Created:
    dynamodb = context.core.client("dynamodb")
    name = p.get("TableName") or context.physical_name(logical_id)
    known = only(p, "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "Tags")
    known |= only(p, "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "DeletionProtectionEnabled")
    if "SSESpecification" in p:
        sse = p["SSESpecification"]
        known["SSESpecification"] = {"Enabled": sse["SSEEnabled"]} | only(sse, "SSEType", "KMSMasterKeyId")
    arn = dynamodb.create_table(TableName=name, **known)["TableDescription"]["TableArn"]
    if "PointInTimeRecoverySpecification" in p:
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification=p["PointInTimeRecoverySpecification"]
        )
    if "TimeToLiveSpecification" in p:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=p["TimeToLiveSpecification"])
    return Created(name, {"Arn": arn})


def _parameter(context: Context, logical_id: str, p: Properties) -> Created:
    name = p.get("Name") or context.physical_name(logical_id)
    context.core.client("ssm").put_parameter(
        Name=name, **only(p, "Type", "Value", "Description", "AllowedPattern", "Tier")
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
    "AWS::CloudWatch::Alarm": notifying.alarm,
    "AWS::CodeBuild::Project": building.project,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Policy": _inline_policy,
    "AWS::IAM::Role": _role,
    "AWS::Lambda::EventInvokeConfig": _event_invoke_config,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::LayerVersion": building.layer,
    "AWS::S3::Bucket": building.bucket,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::Url": _function_url,
    "AWS::Logs::LogGroup": notifying.log_group,
    "AWS::Logs::MetricFilter": notifying.metric_filter,
    "AWS::SNS::Subscription": notifying.subscription,
    "AWS::SNS::Topic": notifying.topic,
    "AWS::SNS::TopicPolicy": notifying.topic_policy,
    "AWS::SQS::Queue": notifying.queue,
    "AWS::SQS::QueuePolicy": notifying.queue_policy,
    "AWS::SSM::Parameter": _parameter,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
    "AWS::StepFunctions::StateMachine": _state_machine,
}
