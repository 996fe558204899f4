"""What `make live` makes in an account, and takes away again; see __main__."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT_STACK, RUNBOOK_STACK, ENROLMENT_STACK = "regrant-live", "regrant-live-runbook", "regrant-live-worker"
RETAINED = ("JournalTable", "DeadLetterQueue")
"""What template.yaml keeps when its stack is deleted."""
ECS_ROLE = "AWSServiceRoleForECS"
ROLE_SECONDS = 20
"""A new role is felt some seconds late. Until then ECS says "Unable to assume the service linked role"."""
STAYS = (
    "SAM's own stack aws-sam-cli-managed-default and its bucket stay, and ECS's service-linked role:"
    " other deployments may use them."
)


class Refused(Exception):
    """Nothing was made. The text says what to do."""


class Failed(Exception):
    """The story did not go as it should. The text says where."""


def check_names(session: Any) -> None:
    """Raises Refused if there is already something of a name that is deleted in the end."""
    cloudformation = session.client("cloudformation")
    for name in (ACCOUNT_STACK, ENROLMENT_STACK, RUNBOOK_STACK):
        if _exists(cloudformation, name):
            raise Refused(
                f"There is a stack {name} already. Nothing was made. If it is of no use, delete it."
            )
    ecs = session.client("ecs")
    # CreateCluster answers with the cluster that is there already, and the stack would delete it in the end.
    found = ecs.describe_clusters(clusters=[ACCOUNT_STACK])["clusters"]
    if any(cluster["status"] != "INACTIVE" for cluster in found):
        raise Refused(
            f"There is a cluster {ACCOUNT_STACK} already. Nothing was made. If it is of no use, delete it."
        )
    if revisions := _revisions(ecs):
        raise Refused(
            f"There is a task definition {revisions[0]} already. Nothing was made. "
            f"If the family {ACCOUNT_STACK} is of no use, deregister its revisions."
        )


@contextmanager
def account_stack(session: Any) -> Iterator[dict[str, str]]:
    """The worker's stack. What the runbook put beside it, and would keep it from going, goes first."""
    network = _network(session)
    ecs_role(session)
    with _stack(session, ACCOUNT_STACK, "scripts/live/account.yaml", network) as account:
        try:
            yield account
        finally:
            role = account["OldRoleArn"].rpartition("/")[2]
            _try(f"what is attached to role {role}", lambda: _detach(session.client("iam"), role))
            own = account["TaskDefinitionArn"]
            _try(f"task definitions {ACCOUNT_STACK}", lambda: _deregister(session.client("ecs"), own))


def _detach(iam: Any, role: str) -> None:
    """Detach every managed policy: the stack itself attaches none to this role."""
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])


def _deregister(ecs: Any, own: str) -> None:
    """Deregister the family's revisions but the stack's own, which goes with the stack."""
    for revision in _revisions(ecs):
        if revision != own:
            ecs.deregister_task_definition(taskDefinition=revision)


def _revisions(ecs: Any) -> list[str]:
    """The family's ACTIVE revisions."""
    pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=ACCOUNT_STACK, status="ACTIVE")
    found = [arn for page in pages for arn in page["taskDefinitionArns"]]
    return [arn for arn in found if arn.rpartition("/")[2].rpartition(":")[0] == ACCOUNT_STACK]


def ecs_role(session: Any) -> None:
    """ECS's service-linked role, which an account has from its first cluster on. CloudFormation does not wait
    until it can be assumed, so it is made first (ECS developer guide, Using service-linked roles)."""
    iam = session.client("iam")
    try:
        # Whoever may not make roles for services needs not to, where it is there.
        iam.get_role(RoleName=ECS_ROLE)
        return
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
    try:
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    except ClientError as error:
        # "Service role name AWSServiceRoleForECS has been taken in this account" (IAM API reference).
        if error.response["Error"]["Code"] != "InvalidInput" or "taken" not in str(error):
            raise
        return
    say("Made ECS's service-linked role. Waiting until ECS can assume it.")
    time.sleep(ROLE_SECONDS)


def _network(session: Any) -> dict[str, str]:
    """The default VPC and its default subnets, which are public: one that somebody added may not be."""
    ec2 = session.client("ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise Refused("The account has no default VPC in this Region; make one (aws ec2 create-default-vpc).")
    vpc = vpcs[0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default-for-az", "Values": ["true"]}]
    subnets = ec2.describe_subnets(Filters=filters)["Subnets"]
    if not subnets:
        raise Refused(
            f"The default VPC {vpc} has no default subnet; make one (aws ec2 create-default-subnet)."
        )
    return {"VpcId": vpc, "SubnetIds": ",".join(subnet["SubnetId"] for subnet in subnets)}


@contextmanager
def _stack(session: Any, name: str, template: str, parameters: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The stack's outputs; it is deleted at the end, also if only its making had begun."""
    cloudformation = session.client("cloudformation")
    say(f"Making stack {name}.")
    # Not in the try: what was not accepted is not ours to delete. The token marks a retry as such.
    stack = cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / template).read_text(),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
        OnFailure="DO_NOTHING",
        ClientRequestToken=uuid.uuid4().hex,
    )["StackId"]
    try:
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack)
        yield _outputs(cloudformation, stack)
    finally:
        _delete(cloudformation, stack)


@contextmanager
def runbook_stack(session: Any, account: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The runbook as a user deploys it: make build, sam deploy. What its stack keeps is deleted as well."""
    overrides = {
        "ManagedRoleArns": f"{account['OldRoleArn']},{account['NewRoleArn']}",
        "GrantablePolicyArns": account["PolicyArn"],
        "ManagedClusterArns": account["ClusterArn"],
        "ExecutionRoleArns": account["ExecutionRoleArn"],
        "ProtectJournal": "false",
    }
    command = [
        *(str(ROOT / ".venv-sam/bin/sam"), "deploy", "--stack-name", RUNBOOK_STACK, "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"),
        # No such environment is in a samconfig.toml, so that no profile of one is taken.
        *("--config-env", ACCOUNT_STACK, "--region", session.region_name, "--parameter-overrides"),
        *(f"{name}={value}" for name, value in overrides.items()),
    ]
    try:
        say(f"Deploying stack {RUNBOOK_STACK}.")
        subprocess.run(command, cwd=ROOT, check=True, env=_environment(session))
        cloudformation = session.client("cloudformation")
        _check_stack(cloudformation, account["ClusterArn"].split(":")[4])
        outputs = _outputs(cloudformation, RUNBOOK_STACK)
        # The runs are started here, one after the other.
        session.client("events").disable_rule(Name=outputs["AlarmRuleName"])
        yield outputs
    finally:
        _delete_runbook(session)


def _environment(session: Any) -> dict[str, str]:
    """What SAM runs with: the credentials that were checked, and no other way to find some."""
    credentials = session.get_credentials().get_frozen_credentials()
    others = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
    checked = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_REGION": session.region_name,
        "AWS_DEFAULT_REGION": session.region_name,
        "SAM_CLI_TELEMETRY": "0",
    }
    if credentials.token:
        checked["AWS_SESSION_TOKEN"] = credentials.token
    return {name: value for name, value in os.environ.items() if name not in others} | checked


def _check_stack(cloudformation: Any, wanted: str) -> None:
    """Raises Failed if the runbook's stack is in another account."""
    (stack,) = cloudformation.describe_stacks(StackName=RUNBOOK_STACK)["Stacks"]
    if stack["StackId"].split(":")[4] != wanted:
        raise Failed(f"SAM deployed {stack['StackId']}, which is not in account {wanted}")


def _delete_runbook(session: Any) -> None:
    """Delete the stack and what it keeps, also after a deployment that failed in the middle."""
    cloudformation = session.client("cloudformation")
    kept: dict[str, str] = {}
    _try("the runbook's table and queue", lambda: kept.update(_kept(cloudformation)))
    _delete(cloudformation, RUNBOOK_STACK)
    if table := kept.get("JournalTable"):
        _try(f"table {table}", lambda: session.client("dynamodb").delete_table(TableName=table))
    if queue := kept.get("DeadLetterQueue"):
        _try(f"queue {queue}", lambda: session.client("sqs").delete_queue(QueueUrl=queue))
    say(STAYS)


def _kept(cloudformation: Any) -> dict[str, str]:
    """The runbook's resources that may outlive its stack, so far as made: logical to physical id."""
    if not _exists(cloudformation, RUNBOOK_STACK):
        return {}
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=RUNBOOK_STACK)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["LogicalResourceId"] in RETAINED
        and resource.get("PhysicalResourceId")
        and resource["ResourceStatus"] != "DELETE_COMPLETE"
    }


@contextmanager
def enrolment_stack(session: Any, account: Mapping[str, str]) -> Iterator[None]:
    parameters = {
        "Runbook": RUNBOOK_STACK,
        "Cluster": ACCOUNT_STACK,
        "Service": "worker",
        "TaskRoleArn": account["NewRoleArn"],
        "PolicyArns": account["PolicyArn"],
        "LogGroupName": account["LogGroup"],
        "SuccessText": "Successfully received",
        "QueueArn": account["QueueArn"],
    }
    with _stack(session, ENROLMENT_STACK, "enrol/service.yaml", parameters):
        yield


def _exists(cloudformation: Any, name: str) -> bool:
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return False
        raise
    return True


def _outputs(cloudformation: Any, name: str) -> dict[str, str]:
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _delete(cloudformation: Any, name: str) -> None:
    def delete() -> None:
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)

    say(f"Deleting stack {name}.")
    _try(f"stack {name}", delete)


def _try(what: str, delete: Callable[[], object]) -> None:
    try:
        delete()
    except (BotoCoreError, ClientError) as error:
        say(f"LEFT BEHIND: {what}: {error}. Delete it by hand.")


def say(line: str) -> None:
    print(line, flush=True)
