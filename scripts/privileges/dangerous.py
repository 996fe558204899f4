"""What no role of the stack may do, and on what it is tried.

{self} stands for the role itself, {table}, {topic} and {queue} for the stack's own.
"""

from __future__ import annotations

from sandbox.iam.requests import arn
from sandbox.scenarios.seeds import retainwise

_ROLES = ("{self}", arn("iam", f"role/{retainwise.OLD_ROLE}", ""), arn("iam", "role/administrator", ""))
_POLICIES = (arn("iam", f"policy/retainwise/{retainwise.RECEIVE}", ""),)
_TABLES = ("{table}", arn("dynamodb", f"table/{retainwise.TABLE}"))
_QUEUES = ("{queue}", arn("sqs", retainwise.QUEUE))
_FUNCTIONS = (arn("lambda", "function:regrant-attach-policies"),)
_MACHINES = (arn("states", "stateMachine:regrant-runbook"),)
_EXECUTIONS = (arn("states", "execution:regrant-runbook:a-run"),)
_SERVICES = (arn("ecs", f"service/{retainwise.CLUSTER}/{retainwise.WORKER}"),)
_DEFINITIONS = (arn("ecs", f"task-definition/{retainwise.WORKER}:1"),)
_TASKS = (arn("ecs", f"task/{retainwise.CLUSTER}/0f9c2f1d7f3f4c5e8a6b9d0e1c2a3b4f"),)
_PARAMETERS = (arn("ssm", f"parameter/regrant/services/{retainwise.CLUSTER}/{retainwise.WORKER}"),)

_TRIED: tuple[tuple[tuple[str, ...], str], ...] = (
    (_ROLES, "iam:CreateRole iam:DeleteRole iam:UpdateRole iam:TagRole iam:UpdateAssumeRolePolicy"),
    (_ROLES, "iam:PutRolePolicy iam:DeleteRolePolicy iam:CreateServiceLinkedRole sts:AssumeRole"),
    (_ROLES, "iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary"),
    (_POLICIES, "iam:CreatePolicy iam:CreatePolicyVersion iam:SetDefaultPolicyVersion iam:DeletePolicy"),
    (_POLICIES, "iam:DeletePolicyVersion"),
    ((arn("iam", "user/somebody", ""),), "iam:CreateUser iam:AttachUserPolicy iam:PutUserPolicy"),
    ((arn("iam", "user/somebody", ""),), "iam:CreateAccessKey iam:CreateLoginProfile"),
    (
        (arn("iam", "group/administrators", ""),),
        "iam:AddUserToGroup iam:AttachGroupPolicy iam:PutGroupPolicy",
    ),
    ((arn("iam", "instance-profile/any", ""),), "iam:AddRoleToInstanceProfile"),
    (_FUNCTIONS, "lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration lambda:CreateFunction"),
    (
        _FUNCTIONS,
        "lambda:AddPermission lambda:DeleteFunction lambda:PutFunctionConcurrency lambda:GetFunction",
    ),
    (_FUNCTIONS, "lambda:PutFunctionEventInvokeConfig lambda:CreateFunctionUrlConfig"),
    (_FUNCTIONS, "lambda:InvokeFunctionUrl lambda:UpdateFunctionUrlConfig"),
    (_MACHINES, "states:UpdateStateMachine states:CreateStateMachine states:DeleteStateMachine"),
    (_MACHINES, "states:DescribeStateMachine states:ListExecutions"),
    (_EXECUTIONS, "states:StopExecution states:RedriveExecution states:GetExecutionHistory"),
    (("*",), "states:SendTaskSuccess states:SendTaskFailure"),
    (_SERVICES, "ecs:CreateService ecs:DeleteService"),
    (_DEFINITIONS, "ecs:RunTask ecs:StartTask ecs:DeleteTaskDefinitions"),
    (_TASKS, "ecs:StopTask ecs:ExecuteCommand"),
    ((arn("ecs", f"cluster/{retainwise.CLUSTER}"),), "ecs:UpdateCluster ecs:DeleteCluster"),
    (_TABLES, "dynamodb:DeleteItem dynamodb:UpdateItem dynamodb:BatchWriteItem dynamodb:Scan"),
    (_TABLES, "dynamodb:BatchGetItem dynamodb:DeleteTable dynamodb:UpdateTable dynamodb:UpdateTimeToLive"),
    (_TABLES, "dynamodb:PutResourcePolicy dynamodb:UpdateContinuousBackups"),
    (_TABLES, "dynamodb:ExportTableToPointInTime"),
    (_PARAMETERS, "ssm:PutParameter ssm:DeleteParameter ssm:GetParameters ssm:GetParameterHistory"),
    ((arn("ssm", "document/any"),), "ssm:SendCommand"),
    ((arn("scheduler", "schedule/regrant-grants/any"),), "scheduler:UpdateSchedule scheduler:GetSchedule"),
    (
        (arn("scheduler", "schedule-group/regrant-grants"),),
        "scheduler:CreateScheduleGroup scheduler:DeleteScheduleGroup",
    ),
    ((arn("events", "rule/regrant-alarm"),), "events:PutRule events:PutTargets events:RemoveTargets"),
    ((arn("events", "rule/regrant-alarm"),), "events:DisableRule events:DeleteRule"),
    ((arn("events", "event-bus/default"),), "events:PutEvents"),
    (_QUEUES, "sqs:ReceiveMessage sqs:DeleteMessage sqs:PurgeQueue sqs:ChangeMessageVisibility"),
    (_QUEUES, "sqs:SetQueueAttributes sqs:AddPermission sqs:DeleteQueue"),
    (("{topic}",), "sns:Subscribe sns:SetTopicAttributes sns:AddPermission sns:DeleteTopic"),
    (
        (arn("logs", f"log-group:/ecs/{retainwise.WORKER}"),),
        "logs:DeleteLogGroup logs:PutSubscriptionFilter logs:PutMetricFilter logs:DeleteMetricFilter"
        " logs:PutRetentionPolicy logs:StartQuery",
    ),
    (
        (arn("cloudwatch", "alarm:regrant-runs-failed"),),
        "cloudwatch:PutMetricAlarm cloudwatch:SetAlarmState cloudwatch:DeleteAlarms"
        " cloudwatch:DisableAlarmActions",
    ),
    ((arn("cloudtrail", "trail/any"),), "cloudtrail:StopLogging cloudtrail:DeleteTrail"),
    (
        (arn("cloudformation", "stack/regrant/any"),),
        "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DeleteStack"
        " cloudformation:ExecuteChangeSet",
    ),
    ((f"arn:aws:s3:::{retainwise.BUCKET}/any",), "s3:GetObject s3:PutObject s3:DeleteObject"),
    ((f"arn:aws:s3:::{retainwise.BUCKET}",), "s3:PutBucketPolicy"),
    ((arn("secretsmanager", "secret:any-AbCdEf"),), "secretsmanager:GetSecretValue"),
    (
        (arn("kms", "key/0f9c2f1d-7f3f-4c5e-8a6b-9d0e1c2a3b4f"),),
        "kms:Decrypt kms:CreateGrant kms:PutKeyPolicy",
    ),
    ((arn("codebuild", "project/any"),), "codebuild:StartBuild"),
    ((arn("ec2", "instance/i-0f9c2f1d7f3f4c5e8"),), "ec2:RunInstances ec2:TerminateInstances"),
)

DANGEROUS = tuple(
    (action, resource)
    for resources, actions in _TRIED
    for action in actions.split()
    for resource in resources
)
"""(action, resource)."""
