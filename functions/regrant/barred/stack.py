"""The stack's own parts, and which calls on them nobody is granted.

Whoever invokes its functions, writes its journal, its catalogue or its lists, starts or changes its runbook,
or updates its stack, acts with its permissions or answers for somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from regrant.iam.patterns import RUN, encode_resource, is_everything, overlap, within
from regrant.iam.policy import Policy, Statement
from regrant.settings import Settings

# As template.yaml names them, each after the stack and a hyphen.
FUNCTIONS = (
    *("open-incident", "diagnose", "ask-approval", "capture-baseline", "attach-policies", "redeploy-service"),
    *("verify-health", "withdraw-grants", "undo-role", "undo-service", "confirm-baseline", "close-incident"),
    *("page-operator", "audit-grants", "list-grants", "answer-approval"),
)
# Logical names of the roles that are no function's.
ROLES = ("RunbookRole", "AlarmRuleRole", "ScheduleRole")
# Of the service authorization reference, those that make a part act, or change what it is or holds. Not
# SendTaskSuccess and its like: they have no resource, and each needs the token of a task.
_ACTIONS = {
    "lambda": (
        "InvokeFunction InvokeAsync InvokeFunctionUrl UpdateFunctionCode UpdateFunctionConfiguration"
        " UpdateFunctionCodeSigningConfig UpdateFunctionEventInvokeConfig UpdateFunctionUrlConfig"
        " CreateFunctionUrlConfig DeleteFunction DeleteFunctionCodeSigningConfig DeleteFunctionConcurrency"
        " DeleteFunctionEventInvokeConfig DeleteFunctionUrlConfig PutFunctionCodeSigningConfig"
        " PutFunctionConcurrency PutFunctionEventInvokeConfig PutFunctionRecursionConfig"
        " PutFunctionScalingConfig PutRuntimeManagementConfig PublishVersion CreateAlias UpdateAlias"
        " DeleteAlias PutProvisionedConcurrencyConfig DeleteProvisionedConcurrencyConfig"
    ),
    "dynamodb": (
        "PutItem UpdateItem DeleteItem BatchWriteItem PartiQLInsert PartiQLUpdate PartiQLDelete UpdateTable"
        " DeleteTable UpdateTimeToLive UpdateContinuousBackups"
    ),
    "ssm": "PutParameter DeleteParameter DeleteParameters",
    "states": (
        "StartExecution StartSyncExecution StopExecution RedriveExecution UpdateStateMachine"
        " DeleteStateMachine"
    ),
    "cloudformation": (
        "UpdateStack DeleteStack CreateChangeSet ExecuteChangeSet RollbackStack ContinueUpdateRollback"
        " CancelUpdateStack UpdateTerminationProtection"
    ),
    "sts": "AssumeRole",
}
ACTIONS: Mapping[str, tuple[str, ...]] = {
    service: tuple(f"{service}:{name}" for name in names.split()) for service, names in _ACTIONS.items()
}
CUT = 20
"""Characters that CloudFormation leaves at least of the names of stack and role, where they are longer
together than the 64 of a role's name. A guess: AWS documents no number."""


class Stack(msgspec.Struct, frozen=True):
    """Where its parts are: its name and its journal's table, with the partition, account and Region."""

    name: str
    journal: str
    partition: str
    account: str
    region: str

    def parts(self) -> Iterator[tuple[str, str]]:
        """The service and the ARN of each part, encoded as iam/patterns.py has patterns."""
        yield "dynamodb", self._arn("dynamodb", f"table/{self.journal}")
        for under in (f"{self.name}/services", f"regrant/allowed/{self.name}"):
            yield "ssm", self._arn("ssm", f"parameter/{under}/{RUN}")
        runbook = f"{self.name}-runbook"
        yield "states", self._arn("states", f"stateMachine:{runbook}")
        yield "states", self._arn("states", f"stateMachine:{runbook}:{RUN}")
        yield "states", self._arn("states", f"execution:{runbook}:{RUN}")
        yield "cloudformation", self._arn("cloudformation", f"stack/{self.name}/{RUN}")
        for function in FUNCTIONS:
            yield "lambda", self._arn("lambda", f"function:{self.name}-{function}")
            yield "lambda", self._arn("lambda", f"function:{self.name}-{function}:{RUN}")
        of_functions = (f"{name.title().replace('-', '')}FunctionRole" for name in FUNCTIONS)
        for role in (*ROLES, *of_functions):
            yield (
                "sts",
                f"arn:{self.partition}:iam::{self.account}:role/{_begin(self.name)}-{_begin(role)}{RUN}",
            )

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def stack_at(settings: Settings, arn: str) -> Stack:
    """The stack of this function. arn: of something in its account; an IAM role's is one."""
    _, partition, _, _, account, _ = arn.split(":", 5)
    return Stack(settings.stack, settings.journal_table, partition, account, settings.region)


def is_of_stack(stack: Stack, action: str, resource: str) -> bool:
    """Whether the call is one that nobody is granted. action: in IAM's spelling; resource: an ARN."""
    service = action.partition(":")[0]
    return action in ACTIONS.get(service, ()) and any(
        overlap(part, resource) for of, part in stack.parts() if of == service
    )


def calls_on_stack(policy: Policy, stack: Stack) -> Iterator[str]:
    """The actions on parts of the stack that the policy may allow, each with its resource; a condition takes
    nothing away, since it may be met, and a Deny of the policy only what it is certain to deny."""
    parts = tuple(stack.parts())
    for statement in policy.statements:
        if statement.effect != "Allow" or statement.unreadable:
            continue
        for service, part in parts:
            actions = [action for action in ACTIONS[service] if statement.match_actions(action).possible]
            if actions and _may_be_on(statement, part):
                for action in actions:
                    if not any(_denies(each, action, part) for each in policy.statements):
                        yield f"{action} on {_shown(part)}"


def _may_be_on(statement: Statement, part: str) -> bool:
    if statement.not_resource:
        return not any(_holds(pattern, part, statement.variables) for pattern in statement.resources)
    return any(_may_hold(pattern, part, statement.variables) for pattern in statement.resources)


def _denies(statement: Statement, action: str, part: str) -> bool:
    """Whether for certain, on all of the part."""
    if statement.effect != "Deny" or statement.unreadable or statement.conditions:
        return False
    acts = statement.match_actions(action).certain
    if statement.not_resource:
        return acts and not any(_may_hold(each, part, statement.variables) for each in statement.resources)
    return acts and any(_holds(pattern, part, statement.variables) for pattern in statement.resources)


def _holds(pattern: str, part: str, variables: bool) -> bool:
    """Whether it stands for all of the part, for certain."""
    if is_everything(pattern):
        return True
    named = pattern.startswith("arn:") and not (variables and "${" in pattern)
    return named and within(part, encode_resource(pattern, variables))


def _may_hold(pattern: str, part: str, variables: bool) -> bool:
    """What is no ARN cannot be read, so it may."""
    named = is_everything(pattern) or pattern.startswith("arn:")
    return not named or overlap(part, encode_resource(pattern, variables))


def _begin(name: str) -> str:
    return name if len(name) <= CUT else f"{name[:CUT]}{RUN}"


def _shown(part: str) -> str:
    return part.split(":", 5)[5].replace(RUN, "*")
