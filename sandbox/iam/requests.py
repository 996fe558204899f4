"""What a request asks for: its IAM action, the resources it touches and the condition keys with it.

Source: the Service Authorization Reference, one page per service ("Actions, resources, and condition keys for
..."). Only what the runbook and the seeds call is here; a call that is not known is asked about resource "*".
`make privileges` compares it with scripts/privileges/reference.yaml, which has those pages' rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

ACCOUNT = "123456789012"
REGION = "us-east-1"

Parameters: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """One thing IAM is asked: this action on this resource with these condition keys (lower case)."""

    action: str
    resource: str = "*"
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    shown: str | None = None
    """How the denial names the resource, where that is not the ARN."""


def arn(service: str, rest: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{rest}"


def _named(service: str, kind: str, name: Any, region: str = REGION) -> str:
    """An ARN from a name; a value that is an ARN already stays as it is."""
    text = str(name)
    return text if text.startswith("arn:") else arn(service, kind + text, region)


def asks(service: str, operation: str, parameters: Parameters) -> list[Ask]:
    """All that must be allowed for the call to go ahead."""
    if operation == "TransactWriteItems":
        return [
            ask for item in parameters["TransactItems"] for each in item.items() for ask in _written(*each)
        ]
    action = _ACTIONS.get((service, operation), operation)
    if service == "s3" and action in ("GetObject", "DeleteObject") and "VersionId" in parameters:
        action += "Version"
    resources, context, shown = _SERVICES.get(service, _unknown)(operation, parameters)
    asked = [Ask(f"{service}:{action}", resource, context, shown) for resource in resources]
    if service == "ecs" and operation in _TAGGING and parameters.get("tags"):
        created = context | {"ecs:createaction": operation}
        asked += [Ask("ecs:TagResource", resource, created) for resource in resources]
    if (service, operation) == ("states", "StartExecution") and (taken := _taken(parameters)):
        asked.append(Ask("states:DescribeExecution", taken))
    return asked


def _written(kind: str, item: Parameters) -> list[Ask]:
    """Of a transaction (DynamoDB Developer Guide, "Transactions: IAM"): as if each were written alone."""
    alone = {
        "Put": "PutItem",
        "Update": "UpdateItem",
        "Delete": "DeleteItem",
        "ConditionCheck": "ConditionCheckItem",
    }
    return asks("dynamodb", alone[kind], item)


_TAGGING = {
    *("CreateCapacityProvider", "CreateCluster", "CreateService", "CreateTaskSet"),
    *("RegisterContainerInstance", "RegisterTaskDefinition", "RunTask", "StartTask"),
}
"""Their tags are asked about, too (ECS Developer Guide, "Grant permission to tag resources on creation")."""


_ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "GetLayerVersionByArn"): "GetLayerVersion",
    ("s3", "ListObjects"): "ListBucket",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "PutBucketEncryption"): "PutEncryptionConfiguration",
    ("s3", "GetBucketEncryption"): "GetEncryptionConfiguration",
    ("s3", "DeleteBucketEncryption"): "PutEncryptionConfiguration",
    ("s3", "PutPublicAccessBlock"): "PutBucketPublicAccessBlock",
    ("s3", "GetPublicAccessBlock"): "GetBucketPublicAccessBlock",
    ("s3", "DeletePublicAccessBlock"): "PutBucketPublicAccessBlock",
    ("s3", "HeadObject"): "GetObject",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sns", "PublishBatch"): "Publish",
}

Answer: TypeAlias = tuple[list[str], dict[str, Any], str | None]


def _unknown(operation: str, p: Parameters) -> Answer:
    return ["*"], {}, None


_BOUNDED = ("AttachRolePolicy", "DetachRolePolicy", "GetRole", "PutRolePolicy", "DeleteRolePolicy")
"""They are asked about with the boundary that the role has."""


def _iam(operation: str, p: Parameters) -> Answer:
    context = {}
    if operation in _BOUNDED and (boundary := _boundary(p["RoleName"])):
        context["iam:permissionsboundary"] = boundary
    if "PolicyArn" in p:
        context["iam:policyarn"] = p["PolicyArn"]
    if "PermissionsBoundary" in p:
        context["iam:permissionsboundary"] = p["PermissionsBoundary"]
    if "RoleName" in p:
        # The API takes the bare name, but policies name the ARN with its path.
        return [role_arn(p["RoleName"])], context, f"role {p['RoleName']}"
    if "PolicyArn" in p:
        return [p["PolicyArn"]], {}, f"policy {p['PolicyArn']}"
    if "UserName" in p:
        return [arn("iam", f"user/{p['UserName']}", "")], context, f"user {p['UserName']}"
    return ["*"], context, None


def role_arn(name: str) -> str:
    """The ARN of a role, with its path if the role exists."""
    role = _role(name)
    return str(role.arn) if role else arn("iam", f"role/{name}", "")


def _boundary(name: str) -> str | None:
    return getattr(_role(name), "permissions_boundary_arn", None)


def _role(name: str) -> Any:
    """None if there is no such role."""
    from moto.iam.models import iam_backends

    return next((role for role in iam_backends[ACCOUNT]["aws"].roles.values() if role.name == name), None)


def _ecs(operation: str, p: Parameters) -> Answer:
    cluster = _named("ecs", "cluster/", p.get("cluster") or p.get("clusterName") or "default")
    context = {"ecs:cluster": cluster}
    name = cluster.rpartition("/")[2]
    if "service" in p or "services" in p or ("serviceName" in p and operation != "ListTasks"):
        services = p.get("services") or [p.get("service") or p.get("serviceName")]
        if p.get("taskDefinition"):
            context["ecs:task-definition"] = _named("ecs", "task-definition/", p["taskDefinition"])
        return [_named("ecs", f"service/{name}/", service) for service in services], context, None
    if operation in ("DescribeTasks", "StopTask"):
        tasks = p.get("tasks") or [p.get("task")]
        return [_named("ecs", f"task/{name}/", task) for task in tasks], context, None
    if operation == "ListTasks":
        # The reference names container instances, and so does a denial that was reported from Fargate; others
        # name * (cdklabs/construct-hub#1207). So a policy has to allow both.
        return ["*", arn("ecs", f"container-instance/{name}/*")], context, None
    if operation == "ListServices":
        return ["*"], context, None  # it has no resource
    if operation in ("DescribeClusters", "DeleteCluster"):
        resources = [cluster]
        if "clusters" in p:
            resources = [_named("ecs", "cluster/", each) for each in p["clusters"]]
        return resources, context, None
    if operation == "RunTask":
        return [_named("ecs", "task-definition/", p.get("taskDefinition"))], context, None
    if operation == "RegisterTaskDefinition":
        return [arn("ecs", f"task-definition/{p.get('family')}:*")], {}, None
    return ["*"], {}, None  # task definitions can be read and deregistered on * only


def _sqs(operation: str, p: Parameters) -> Answer:
    if "QueueUrl" in p:
        place, _, name = p["QueueUrl"].rstrip("/").rpartition("/")
        owner = place.rpartition("/")[2]
        return [arn("sqs", name, account=owner if owner.isdigit() else ACCOUNT)], {}, None
    owner = p.get("QueueOwnerAWSAccountId") or ACCOUNT
    return [arn("sqs", p["QueueName"], account=owner) if "QueueName" in p else "*"], {}, None


def _sns(operation: str, p: Parameters) -> Answer:
    return [p.get("TopicArn") or p.get("TargetArn") or "*"], {}, None


def _dynamodb(operation: str, p: Parameters) -> Answer:
    tables = dict.fromkeys(p.get("RequestItems", {}) or ([p["TableName"]] if "TableName" in p else []))
    index = f"/index/{p['IndexName']}" if p.get("IndexName") else ""
    item = p.get("Item") or p.get("Key") or _condition(p)
    context = {"dynamodb:leadingkeys": keys} if item and (keys := _leading_keys(p["TableName"], item)) else {}
    return [_named("dynamodb", "table/", table) + index for table in tables] or ["*"], context, None


def _leading_keys(table: str, item: Parameters) -> list[str]:
    """The partition key of the items that are read or written."""
    from moto.dynamodb.models import dynamodb_backends

    known = dynamodb_backends[ACCOUNT][REGION].tables.get(table.rpartition("/")[2])
    return list(item.get(known.hash_key_attr, {}).values()) if known else []


def _condition(p: Parameters) -> Parameters:
    """A Query's KeyConditionExpression, as far as it says what something is equal to."""
    names, values = p.get("ExpressionAttributeNames", {}), p.get("ExpressionAttributeValues", {})
    equal = re.findall(r"([#\w.-]+)\s*=\s*(:\w+)", p.get("KeyConditionExpression", ""))
    return {names.get(name, name): values[value] for name, value in equal if value in values}


_LISTING = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys"}


def _s3(operation: str, p: Parameters) -> Answer:
    if "Bucket" not in p:
        return ["*"], {}, None
    listed = operation.startswith("List")
    context = {key: str(p[name]) for name, key in _LISTING.items() if listed and name in p}
    if owner := _owner(p["Bucket"]):
        context["s3:resourceaccount"] = owner
    if operation == "PutObject" and "ServerSideEncryption" in p:
        context["s3:x-amz-server-side-encryption"] = str(p["ServerSideEncryption"])
    return [f"arn:aws:s3:::{p['Bucket']}" + (f"/{p['Key']}" if p.get("Key") else "")], context, None


def _owner(bucket: str) -> str | None:
    """The account that has the bucket; None if there is none of that name."""
    from moto.s3.models import s3_backends

    accounts = (account for account, of in s3_backends.items() if bucket in of["aws"].buckets)
    return next(accounts, None)


def _ssm(operation: str, p: Parameters) -> Answer:
    names = p.get("Names") or [p.get("Name") or p.get("Path")]
    if names == [None]:
        return ["*"], {}, None
    return [_named("ssm", "parameter/", str(name).lstrip("/")) for name in names], {}, None


def _logs(operation: str, p: Parameters) -> Answer:
    name = p.get("logGroupName") or p.get("logGroupIdentifier")
    if not name:
        return ["*"], {}, None
    group = _named("logs", "log-group:", name).removesuffix(":*")
    stream = p.get("logStreamName")
    return [f"{group}:log-stream:{stream}" if stream else f"{group}:*"], {}, None


def _lambda(operation: str, p: Parameters) -> Answer:
    if operation == "GetLayerVersionByArn":
        return [p["Arn"]], {}, None
    return [_named("lambda", "function:", p["FunctionName"]) if "FunctionName" in p else "*"], {}, None


def _codebuild(operation: str, p: Parameters) -> Answer:
    """Builds are their project's (CodeBuild User Guide, "AWS CodeBuild permissions reference")."""
    builds = p.get("ids") or ([p["id"]] if "id" in p else [])
    projects = [str(build).rpartition("build/")[2].partition(":")[0] for build in builds]
    projects = projects or p.get("names") or [name for key in ("projectName", "name") if (name := p.get(key))]
    return [_named("codebuild", "project/", name) for name in dict.fromkeys(projects)] or ["*"], {}, None


def _states(operation: str, p: Parameters) -> Answer:
    return [p.get("stateMachineArn") or p.get("executionArn") or "*"], {}, None


def _taken(p: Parameters) -> str | None:
    """The ARN of an execution that has the name already.

    The reference lists states:DescribeExecution for StartExecution, and does not say when it is asked about.
    AWS's own roles for EventBridge and Scheduler may only start executions, so it is not each time; and only
    where the name is taken does the answer describe an execution that is there.
    """
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    for machine in stepfunctions_parser_backends[ACCOUNT][REGION].state_machines:
        for execution in machine.executions if machine.arn == p.get("stateMachineArn") else ():
            if execution.name == p.get("name"):
                return str(execution.execution_arn)
    return None


def _events(operation: str, p: Parameters) -> Answer:
    if operation == "PutEvents":
        buses = dict.fromkeys(entry.get("EventBusName", "default") for entry in p.get("Entries", []))
        return [_named("events", "event-bus/", bus) for bus in buses], {}, None
    name = p.get("Rule") or p.get("Name")
    return [arn("events", f"rule/{name}") if name else "*"], {}, None


def _scheduler(operation: str, p: Parameters) -> Answer:
    if operation.endswith("ScheduleGroup"):
        return [arn("scheduler", f"schedule-group/{p['Name']}")], {}, None
    if "Name" in p:
        return [arn("scheduler", f"schedule/{p.get('GroupName') or 'default'}/{p['Name']}")], {}, None
    return ["*"], {}, None


def _cloudwatch(operation: str, p: Parameters) -> Answer:
    context = {"cloudwatch:namespace": p["Namespace"]} if "Namespace" in p else {}
    names = p.get("AlarmNames") or ([p["AlarmName"]] if "AlarmName" in p else [])
    return [arn("cloudwatch", f"alarm:{name}") for name in names] or ["*"], context, None


def _sts(operation: str, p: Parameters) -> Answer:
    return [p.get("RoleArn", "*")], {}, None


_SERVICES: dict[str, Callable[[str, Parameters], Answer]] = {
    "iam": _iam,
    "ecs": _ecs,
    "sqs": _sqs,
    "sns": _sns,
    "dynamodb": _dynamodb,
    "s3": _s3,
    "ssm": _ssm,
    "logs": _logs,
    "lambda": _lambda,
    "codebuild": _codebuild,
    "states": _states,
    "events": _events,
    "scheduler": _scheduler,
    "cloudwatch": _cloudwatch,
    "sts": _sts,
}


def pass_role(role: str, service: str) -> Ask:
    """A role that the call hands to another service ("Grant a user permissions to pass a role")."""
    return Ask("iam:PassRole", role, {"iam:passedtoservice": service})
