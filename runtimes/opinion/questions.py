"""What the runbook takes for granted of AWS, as questions that any emulator can be asked.

Each makes what it needs under names of its own, and returns an answer of plain values in which no id or time
stands, so that two answers can be compared. None waits for a rollout: an emulator's ECS runs no containers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from runtimes.opinion.place import PATIENCE, Place, raise_if_not_there, refusal

Answer: TypeAlias = Any
Question: TypeAlias = Callable[[Place], Answer]

NAME = "regrant-opinion"
_ALLOW = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [_ALLOW]})


def _trust(service: str = "ecs-tasks.amazonaws.com", **principal: str) -> str:
    who = principal or {"Service": service}
    statement = {"Effect": "Allow", "Principal": who, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _role(place: Place, trust: str | None = None) -> str:
    iam = place.client("iam")
    arn = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=trust or _trust())["Role"]["Arn"]
    place.later(iam.delete_role, RoleName=NAME)
    return str(arn)


def _policy(place: Place) -> dict[str, Any]:
    iam = place.client("iam")
    made: dict[str, Any] = iam.create_policy(PolicyName=NAME, PolicyDocument=POLICY)["Policy"]
    place.later(iam.delete_policy, PolicyArn=made["Arn"])
    return made


def attach_twice(place: Place) -> Answer:
    """Attaching a policy twice is the same as once, and detaching it twice is refused by name."""
    _role(place)
    iam, arn = place.client("iam"), _policy(place)["Arn"]
    for _ in range(2):
        iam.attach_role_policy(RoleName=NAME, PolicyArn=arn)
    place.later(iam.detach_role_policy, RoleName=NAME, PolicyArn=arn)
    attached = len(iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"])
    iam.detach_role_policy(RoleName=NAME, PolicyArn=arn)
    return {"attached": attached, "again": refusal(iam.detach_role_policy, RoleName=NAME, PolicyArn=arn)}


def made_again(place: Place) -> Answer:
    """A policy that is deleted and made again has another PolicyId, and starts at v1."""
    first = _policy(place)
    place.client("iam").delete_policy(PolicyArn=first["Arn"])
    again = _policy(place)
    return {"same id": first["PolicyId"] == again["PolicyId"], "version": again["DefaultVersionId"]}


def denied(place: Place) -> Answer:
    """A call of a role without permissions is denied, in the words that the runbook reads."""
    arn = _role(place, _trust(AWS="*"))
    answer = place.client("sts").assume_role(RoleArn=arn, RoleSessionName="task")["Credentials"]
    keys = {"aws_access_key_id": answer["AccessKeyId"], "aws_secret_access_key": answer["SecretAccessKey"]}
    sqs = place.client("sqs", aws_session_token=answer["SessionToken"], **keys)
    try:
        sqs.list_queues()
    except ClientError as error:
        raise_if_not_there(error)
        text = error.response["Error"]["Message"].lower()
        return {"denied": "is not authorized to perform: sqs:listqueues" in text}
    return {"denied": False}


def revisions(place: Place) -> Answer:
    """All that DescribeTaskDefinition gives can be registered again; an INACTIVE revision is not deployed."""
    ecs, role = place.client("ecs"), _role(place)
    container = {"name": "app", "image": "app", "essential": True, "memory": 128, "command": ["run"]}
    first = ecs.register_task_definition(
        family=NAME, taskRoleArn=role, containerDefinitions=[container], tags=[{"key": "a", "value": "b"}]
    )["taskDefinition"]
    old = first["taskDefinitionArn"]
    shown = ecs.describe_task_definition(taskDefinition=old, include=["TAGS"])
    taken = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    copy = {key: value for key, value in shown["taskDefinition"].items() if key in taken and value}
    again = ecs.register_task_definition(**copy, tags=shown["tags"])["taskDefinition"]
    same = {key: again.get(key) == value for key, value in copy.items()}
    ecs.deregister_task_definition(taskDefinition=old)
    place.later(ecs.deregister_task_definition, taskDefinition=again["taskDefinitionArn"])
    _service(place, again["taskDefinitionArn"])
    inactive = refusal(ecs.update_service, cluster=NAME, service=NAME, taskDefinition=old)
    changed = sorted(key for key, value in same.items() if not value)
    return {
        "revisions": again["revision"] - first["revision"],
        "tags": shown["tags"],
        "changed": changed,
        "inactive": inactive,
    }


def forced(place: Place) -> Answer:
    """A forced deployment is the PRIMARY one in UpdateService's own answer, with an id of its own."""
    ecs = place.client("ecs")
    container = {"name": "app", "image": "app", "memory": 128}
    number = ecs.register_task_definition(family=NAME, containerDefinitions=[container])["taskDefinition"]
    place.later(ecs.deregister_task_definition, taskDefinition=number["taskDefinitionArn"])
    before = _service(place, number["taskDefinitionArn"])
    after = ecs.update_service(cluster=NAME, service=NAME, forceNewDeployment=True)["service"]
    ids = [[each["id"] for each in s["deployments"] if each["status"] == "PRIMARY"] for s in (before, after)]
    return {"primary": [len(each) for each in ids], "same id": ids[0] == ids[1]}


def _service(place: Place, definition: str) -> dict[str, Any]:
    ecs = place.client("ecs")
    ecs.create_cluster(clusterName=NAME)
    place.later(ecs.delete_cluster, cluster=NAME)
    made: dict[str, Any] = ecs.create_service(
        cluster=NAME, serviceName=NAME, taskDefinition=definition, desiredCount=0
    )["service"]
    place.later(ecs.delete_service, cluster=NAME, service=NAME, force=True)
    return made


def catalogue(place: Place) -> Answer:
    """Parameters are found by a path that ends in a slash, and none is overwritten unasked."""
    ssm, name = place.client("ssm"), f"/{NAME}/services/c/s"
    ssm.put_parameter(Name=name, Value="{}", Type="String")
    place.later(ssm.delete_parameter, Name=name)
    found = ssm.get_parameters_by_path(Path=f"/{NAME}/services/", Recursive=True)["Parameters"]
    again = refusal(ssm.put_parameter, Name=name, Value="{}", Type="String")
    return {"found": [each["Name"] for each in found], "again": again}


def lease(place: Place) -> Answer:
    """Of two conditional writes of one key the second is refused."""
    dynamodb = place.client("dynamodb")
    dynamodb.create_table(
        TableName=NAME,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    place.later(dynamodb.delete_table, TableName=NAME)
    write = {
        "TableName": NAME,
        "Item": {"pk": {"S": "lease"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    return [refusal(dynamodb.put_item, **write) for _ in range(2)]


def executions(place: Place) -> Answer:
    """An execution's name is taken once; a stopped one keeps its reason; a Fail state's error and cause are
    shown; a Choice that compares what is not there ends it.
    """
    sfn, role = place.client("stepfunctions"), _role(place, _trust("states.amazonaws.com"))

    def started(states: dict[str, Any], name: str) -> str:
        definition = json.dumps({"StartAt": "First", "States": states})
        made = sfn.create_state_machine(name=f"{NAME}-{name}", definition=definition, roleArn=role)
        place.later(sfn.delete_state_machine, stateMachineArn=made["stateMachineArn"])
        given = {"stateMachineArn": made["stateMachineArn"], "name": name}
        arn: str = sfn.start_execution(**given, input="{}")["executionArn"]
        if name == "wait":
            answers["same input"] = refusal(sfn.start_execution, **given, input="{}")
            answers["other input"] = refusal(sfn.start_execution, **given, input='{"a": 1}')
        return arn

    answers: dict[str, Any] = {}
    waiting = started({"First": {"Type": "Wait", "Seconds": 600, "End": True}}, "wait")
    sfn.stop_execution(executionArn=waiting, error="E", cause="c")
    failing = started({"First": {"Type": "Fail", "Error": "RolledBack", "Cause": '{"a": 1}'}}, "fail")
    choice = {"Variable": "$.none", "StringEquals": "x", "Next": "Last"}
    choosing = started(
        {"First": {"Type": "Choice", "Choices": [choice], "Default": "Last"}, "Last": {"Type": "Succeed"}},
        "choose",
    )
    answers["stopped"] = _end(place, waiting, "status", "error", "cause")
    answers["failed"] = _end(place, failing, "status", "error", "cause")
    answers["chose"] = _end(place, choosing, "status", "error")
    return answers


def _end(place: Place, arn: str, *members: str) -> list[Any]:
    sfn, waited = place.client("stepfunctions"), 0.0
    while (shown := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING" and waited < PATIENCE:
        place.wait(0.5)
        waited += 0.5
    return [shown.get(member) for member in members]


def patterns(place: Place) -> Answer:
    """EventBridge refuses what is no pattern, and takes the runbook's own kinds."""
    events = place.client("events")
    place.later(events.delete_rule, Name=NAME)
    refused: tuple[dict[str, Any], ...] = (
        {"x": "y"},
        {"x": []},
        {"x": [{"contains": "y"}]},
        {"x": [{"numeric": [">", 1, ">", 2]}]},
    )
    taken = {"$or": [{"x": [{"anything-but": ["a"]}]}, {"y": [{"exists": False}]}], "z": [{"prefix": "p"}]}
    return [refusal(events.put_rule, Name=NAME, EventPattern=json.dumps(each)) for each in (*refused, taken)]


def schedules(place: Place) -> Answer:
    """A schedule's name is taken once in its group, and deleting one that is not there is refused by name."""
    scheduler, role = place.client("scheduler"), _role(place, _trust("scheduler.amazonaws.com"))
    scheduler.create_schedule_group(Name=NAME)
    place.later(scheduler.delete_schedule_group, Name=NAME)
    target = {"Arn": f"arn:aws:states:us-east-1:{role.split(':')[4]}:stateMachine:{NAME}", "RoleArn": role}
    schedule = {
        "GroupName": NAME,
        "Name": NAME,
        "ScheduleExpression": "at(2099-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    made = [refusal(scheduler.create_schedule, **schedule) for _ in range(2)]
    gone = [refusal(scheduler.delete_schedule, GroupName=NAME, Name=NAME) for _ in range(2)]
    return {"made": made, "gone": gone}


def logs(place: Place) -> Answer:
    """A quoted term finds its lines from a time on; a group that is not there is refused by name."""
    client = place.client("logs")
    client.create_log_group(logGroupName=NAME)
    place.later(client.delete_log_group, logGroupName=NAME)
    client.create_log_stream(logGroupName=NAME, logStreamName="s")
    # The time that it is there, not here.
    now = int(client.describe_log_groups(logGroupNamePrefix=NAME)["logGroups"][0]["creationTime"])
    lines = ("not authorized, early", "not authorized", "authorized, not")
    written = [{"timestamp": now - 3000 + at * 1000, "message": line} for at, line in enumerate(lines)]
    client.put_log_events(logGroupName=NAME, logStreamName="s", logEvents=written)
    asked = {"filterPattern": '"not authorized"', "startTime": now - 2000, "endTime": now}
    found = client.filter_log_events(logGroupName=NAME, **asked)["events"]
    return {
        "found": [each["message"] for each in found],
        "absent": refusal(client.filter_log_events, logGroupName=f"{NAME}-none"),
    }


def queues(place: Place) -> Answer:
    """A queue counts its messages, and one that is not there is refused by name."""
    sqs = place.client("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    place.later(sqs.delete_queue, QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return {
        "messages": counted["Attributes"]["ApproximateNumberOfMessages"],
        "absent": refusal(sqs.get_queue_url, QueueName=f"{NAME}-none"),
    }


QUESTIONS: tuple[Question, ...] = (
    *(attach_twice, made_again, denied, revisions, forced, catalogue, lease),
    *(executions, patterns, schedules, logs, queues),
)
