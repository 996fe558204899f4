"""Every exception of `make privileges`, and why it is one. An exception that nothing needs any more fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

_HERE = "us-east-1:123456789012"


@dataclass(frozen=True)
class Reason:
    """Why these actions of these roles (by title; * for any of them) are let be.

    resource: a pattern of fnmatch, so [*] is the resource "*" itself. context: condition keys that have to be
    asked with, each with a pattern of its value.
    """

    why: str
    actions: tuple[str, ...]
    resource: str
    roles: tuple[str, ...] = ("*",)
    context: tuple[tuple[str, str], ...] = ()

    def covers(self, role: str, action: str, resource: str, context: Collection[tuple[str, str]]) -> bool:
        named = action in self.actions and (self.roles == ("*",) or role in self.roles)
        asked = dict(context)
        fits = all(key in asked and fnmatchcase(asked[key], pattern) for key, pattern in self.context)
        return named and fits and fnmatchcase(resource, self.resource)


_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_TRACES = (
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules"),
    *("xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"),
)
_DELIVERY = (
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"),
    "logs:DescribeLogGroups",
)

UNUSED = (
    Reason(
        "AWSLambdaBasicExecutionRole, which SAM attaches to every function. Lambda writes the function's log"
        " with it; the local account keeps the log without asking. The group is the template's own, so"
        " nothing needs CreateLogGroup.",
        _LOGS,
        "[*]",
    ),
    Reason(
        "AWSXrayWriteOnlyAccess, which SAM attaches where tracing is on. Lambda and Step Functions send their"
        " traces with it; the local account has no X-Ray.",
        _TRACES,
        "[*]",
    ),
    Reason(
        "Step Functions asks for these when it sets up the state machine's log (Step Functions Developer"
        " Guide, Logging using CloudWatch Logs); the local account delivers none.",
        _DELIVERY,
        "[*]",
        ("RunbookRole",),
    ),
    Reason(
        "Lambda sends the event of an audit that failed to the dead-letter queue in the function's role; the"
        " local account has no destinations of asynchronous invocations.",
        ("sqs:SendMessage",),
        f"arn:aws:sqs:{_HERE}:regrant-DeadLetterQueue-*",
        ("AuditGrants",),
    ),
    Reason(
        "AWS does not document whether GetParametersByPath is asked about the path as it is given, with its"
        " last slash, or without; the local account asks about it as it is given.",
        ("ssm:GetParametersByPath",),
        f"arn:aws:ssm:{_HERE}:parameter/regrant/services",
        ("WithdrawGrants", "AuditGrants", "ListGrants"),
    ),
    Reason(
        "AWS does not document whether EventBridge Scheduler names the executions that it starts, and would"
        " start one again under its name; the local account's gives none.",
        ("states:DescribeExecution",),
        f"arn:aws:states:{_HERE}:execution:regrant-runbook:*",
        ("ScheduleRole",),
    ),
)
"""What no recorded call uses."""

COVERED = (
    Reason(
        "With a narrower resource CloudWatch shows no composite alarms (API reference, DescribeAlarms). It"
        " reads.",
        ("cloudwatch:DescribeAlarms",),
        "[*]",
        ("AuditGrants", "ListGrants"),
    ),
    Reason(
        "ECS has no resource for these calls. They read.",
        ("ecs:DescribeTaskDefinition",),
        "[*]",
        ("ConfirmBaseline", "Diagnose", "PageOperator", "RedeployService", "UndoService", "WithdrawGrants"),
    ),
    Reason(
        "ECS has no resource for this call. It reads names.",
        ("ecs:ListTaskDefinitions",),
        "[*]",
        ("PageOperator", "RedeployService", "UndoService"),
    ),
    Reason(
        "ECS has no resource for this call. Running tasks go on, and registering again undoes it.",
        ("ecs:DeregisterTaskDefinition",),
        "[*]",
        ("UndoService",),
    ),
    Reason(
        "IAM has no resource for this call. It reads counts.",
        ("iam:GetAccountSummary",),
        "[*]",
        ("Diagnose",),
    ),
    Reason(
        "The stack's owner lists clusters: every service in them may be enrolled, and is then read.",
        ("ecs:DescribeServices",),
        f"arn:aws:ecs:{_HERE}:service/retainwise-cluster/*",
        (
            *("CaptureBaseline", "ConfirmBaseline", "Diagnose", "PageOperator", "RedeployService"),
            *("UndoService", "VerifyHealth", "WithdrawGrants"),
        ),
    ),
    Reason(
        "The stack's owner lists clusters: every service in them may be enrolled, and is then redeployed.",
        ("ecs:UpdateService",),
        f"arn:aws:ecs:{_HERE}:service/retainwise-cluster/*",
        ("RedeployService", "UndoService"),
    ),
    Reason(
        "The stack's owner lists clusters: any of their tasks may be the one that CloudTrail names, or of the"
        " service that somebody deploys, or that is watched.",
        ("ecs:DescribeTasks",),
        f"arn:aws:ecs:{_HERE}:task/retainwise-cluster/*",
        ("OpenIncident", "Diagnose", "VerifyHealth"),
    ),
    Reason(
        "A family is not said to belong to a cluster. What is registered runs only if a service is updated to"
        " it, and only with a listed role.",
        ("ecs:RegisterTaskDefinition",),
        f"arn:aws:ecs:{_HERE}:task-definition/*",
        ("RedeployService",),
    ),
    Reason(
        "A family is not said to belong to a cluster. A revision is tagged only as it is registered.",
        ("ecs:TagResource",),
        f"arn:aws:ecs:{_HERE}:task-definition/*",
        ("RedeployService",),
        (("ecs:createaction", "RegisterTaskDefinition"),),
    ),
    Reason(
        "A managed role may have any policy of the account or of AWS attached, or as its boundary, and each"
        " may hold the Deny that is in the way. It reads.",
        ("iam:GetPolicy", "iam:GetPolicyVersion"),
        "arn:aws:iam::123456789012:policy/*",
        ("Diagnose", "VerifyHealth"),
    ),
    Reason(
        "The same for AWS's own policies.",
        ("iam:GetPolicy", "iam:GetPolicyVersion"),
        "arn:aws:iam::aws:policy/*",
        ("Diagnose", "VerifyHealth"),
    ),
    Reason(
        "The stack's owner gives the start of the log groups' names, /ecs/ here. It reads.",
        ("logs:FilterLogEvents",),
        f"arn:aws:logs:{_HERE}:log-group:/ecs/*",
        ("Diagnose", "VerifyHealth"),
    ),
    Reason(
        "An enrolment may name any queue of the account. Its messages are counted, never received.",
        ("sqs:GetQueueUrl", "sqs:GetQueueAttributes"),
        f"arn:aws:sqs:{_HERE}:*",
        ("CaptureBaseline", "Diagnose", "VerifyHealth"),
    ),
    Reason(
        "Every entry of the catalogue is the runbook's to read.",
        ("ssm:GetParameters",),
        f"arn:aws:ssm:{_HERE}:parameter/regrant/services/*",
        ("Diagnose", "OpenIncident"),
    ),
    Reason(
        "The same, for the one entry that CaptureBaseline reads again.",
        ("ssm:GetParameter",),
        f"arn:aws:ssm:{_HERE}:parameter/regrant/services/*",
        ("CaptureBaseline",),
    ),
    Reason(
        "Every service may be enrolled, and is then leased. OpenIncident writes no other item.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("OpenIncident",),
        (("dynamodb:leadingkeys", "lease#service/*"),),
    ),
    Reason(
        "Every role may be leased. AskApproval gives leases back.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("AskApproval",),
        (("dynamodb:leadingkeys", "lease#role/*"),),
    ),
    Reason(
        "Every run may ask for approval. AskApproval writes no other item but that.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("AskApproval",),
        (("dynamodb:leadingkeys", "approval#*"),),
    ),
    Reason(
        "Every run that asks may be answered. AnswerApproval reads and writes no other item.",
        ("dynamodb:PutItem", "dynamodb:Query"),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("AnswerApproval",),
        (("dynamodb:leadingkeys", "approval#*"),),
    ),
    Reason(
        "Neither call has a resource. A token is in the journal under its run, where nothing else is read.",
        ("states:SendTaskSuccess", "cloudtrail:LookupEvents"),
        "[*]",
        ("AnswerApproval",),
    ),
    Reason(
        "Every managed role may have grants on record.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("AuditGrants",),
        (("dynamodb:leadingkeys", "role#*"),),
    ),
    Reason(
        "It writes down what it has notified of, besides.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("AuditGrants",),
        (("dynamodb:leadingkeys", "audit#*"),),
    ),
    Reason(
        "The journal has items of every incident, service and role. Nothing that a role of the stack may call"
        " deletes one, and the table's earlier states are kept.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        (
            *("AttachPolicies", "CaptureBaseline", "CloseIncident"),
            *("PageOperator", "UndoRole", "WithdrawGrants"),
        ),
    ),
    Reason(
        "A change is written under its incident, whose name is any. RedeployService may write leases of roles"
        " besides, UndoService no other item.",
        ("dynamodb:PutItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("RedeployService", "UndoService"),
        (("dynamodb:leadingkeys", "*"),),
    ),
    Reason(
        "The journal has items of every incident, service and role. It reads.",
        ("dynamodb:GetItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("AuditGrants", "CaptureBaseline", "ListGrants", "OpenIncident", "UndoRole", "WithdrawGrants"),
    ),
    Reason(
        "Every service may be enrolled, and have runs that were refused or undone. They are read.",
        ("dynamodb:GetItem",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        ("CloseIncident", "PageOperator"),
        (("dynamodb:leadingkeys", "service#*"),),
    ),
    Reason(
        "The journal has items of every incident, service and role. It reads.",
        ("dynamodb:Query",),
        f"arn:aws:dynamodb:{_HERE}:table/regrant-JournalTable-*",
        (
            *("AttachPolicies", "AuditGrants", "CaptureBaseline", "CloseIncident", "ConfirmBaseline"),
            *("Diagnose", "OpenIncident", "PageOperator", "RedeployService", "UndoRole", "UndoService"),
            *("ListGrants", "WithdrawGrants"),
        ),
    ),
    Reason(
        "The group is the stack's own, and holds nothing but the ends of its grants.",
        ("scheduler:CreateSchedule", "scheduler:DeleteSchedule"),
        f"arn:aws:scheduler:{_HERE}:schedule/regrant-grants/*",
        ("AttachPolicies", "UndoRole", "WithdrawGrants"),
    ),
    Reason(
        "The group is the stack's own, and holds nothing but the ends of its grants.",
        ("scheduler:DeleteSchedule",),
        f"arn:aws:scheduler:{_HERE}:schedule/regrant-grants/*",
        ("CloseIncident",),
    ),
    Reason(
        "Any run of the stack's own state machine may hold the lease. Whether it has ended is read.",
        ("states:DescribeExecution",),
        f"arn:aws:states:{_HERE}:execution:regrant-runbook:*",
        (
            *("AlarmRuleRole", "AuditGrants", "CaptureBaseline", "OpenIncident"),
            *("ListGrants", "ScheduleRole", "UndoRole", "WithdrawGrants"),
        ),
    ),
    Reason(
        "Any run of the stack's own state machine may ask for approval. Whether it has ended is read.",
        ("states:DescribeExecution",),
        f"arn:aws:states:{_HERE}:execution:regrant-runbook:*",
        ("AnswerApproval",),
    ),
    Reason(
        "Any run of the stack's own state machine may have sent the event. What it has sent is read.",
        ("states:GetExecutionHistory",),
        f"arn:aws:states:{_HERE}:execution:regrant-runbook:*",
        (
            *("AskApproval", "CaptureBaseline", "CloseIncident", "PageOperator"),
            *("UndoRole", "UndoService", "WithdrawGrants"),
        ),
    ),
    Reason(
        "The resource is *, since AWS asks about that, too. A container instance is in the cluster that is"
        " asked with.",
        ("ecs:ListTasks",),
        "*",
        ("Diagnose", "VerifyHealth"),
        (("ecs:cluster", f"arn:aws:ecs:{_HERE}:cluster/retainwise-cluster"),),
    ),
    Reason(
        "AWSLambdaBasicExecutionRole, which SAM attaches to every function, names no log group. So a function"
        " could write lines into another's log.",
        _LOGS,
        f"arn:aws:logs:{_HERE}:log-group:*",
    ),
    Reason(
        "X-Ray has no resource for these calls (AWSXrayWriteOnlyAccess, which SAM attaches).",
        _TRACES,
        "[*]",
    ),
    Reason(
        "Log delivery has no resource (Step Functions Developer Guide, Logging using CloudWatch Logs).",
        _DELIVERY,
        "[*]",
        ("RunbookRole",),
    ),
)
"""What is tried and allowed, because a pattern of the template means it."""
