"""Plan the cure: a revision with the declared role, once that role is fit, and no temporary grant left."""

from __future__ import annotations

from regrant.baseline.drift import planned_against
from regrant.diagnosis.declared_role import problems
from regrant.diagnosis.eligibility import judge_role, judge_service, judge_strategy
from regrant.diagnosis.terraform import patch
from regrant.diagnosis.unread import elsewhere
from regrant.errors import AwsRefused
from regrant.grants import attachments_of, is_there, standing
from regrant.iam.keep_tag import is_kept_by_tag
from regrant.iam.permissions import RolePermissions
from regrant.model.aws import RoleState, ServiceState, TaskDefinition, name_of
from regrant.model.catalogue import CatalogueEntry, Service
from regrant.model.journal import Hold
from regrant.model.results import Refusal
from regrant.model.run import Diagnosis, Finding, Incident, Plan
from regrant.parallel import all_three, both, each
from regrant.ports import Account
from regrant.settings import Allowed


def plan_cure(
    incident: Incident, state: ServiceState | None, allowed: Allowed, aws: Account, now: str
) -> Diagnosis:
    """The plan, or why there is none. Reads only. Raises AwsUnavailable, AwsRefused."""
    service, entry = incident.service, incident.entry
    assert service is not None and entry is not None  # `diagnose` refused everything else
    refusal = judge_service(service, state)
    if refusal or state is None:
        return _refused(refusal, now)
    definition = aws.services.task_definition(state.task_definition)
    refusal = judge_role(definition, allowed)
    if refusal or definition.task_role is None:
        return _refused(refusal, now)
    if definition.task_role == entry.task_role:
        return _plan_leftovers(incident, definition, allowed, aws, now)
    wrong_role = Finding(
        "WRONG_TASK_ROLE",
        f"The tasks run as {name_of(definition.task_role)}; the catalogue declares"
        f" {name_of(entry.task_role)}.",
        (definition.task_role, entry.task_role),
    )
    if entry.managed_by == "terraform":
        refusal = _terraform(entry, definition)
        return Diagnosis("REFUSE", now, (wrong_role,), refusal=refusal)
    by_hand = f"Deploy a revision with {entry.task_role} yourself; the grant then ends at its time."
    if refusal := judge_strategy(service, state, by_hand):
        return Diagnosis("REFUSE", now, (wrong_role,), refusal=refusal)
    old, (new, unreadable), (held, temporary, (execution_role, status)) = all_three(
        lambda: aws.roles.read(definition.task_role or ""),
        # A role that the stack does not list cannot be read either.
        lambda: _read(entry.task_role, aws) if entry.task_role in allowed.roles else (None, None),
        lambda: all_three(
            lambda: aws.holds.of(definition.task_role or ""),
            lambda: aws.holds.of(entry.task_role),
            lambda: both(
                lambda: aws.revisions.execution_role(definition.arn),
                lambda: aws.revisions.status(definition.arn),
            ),
        ),
    )
    if status != "ACTIVE":
        return _refused(_no_way_back(definition, status), now)
    declared = tuple(dict.fromkeys(entry.policies))
    permissions = aws.roles.permissions(entry.task_role, declared) if new else None
    unfit = _unfit(entry, new, permissions, temporary, execution_role, allowed)
    found = (unreadable,) if unreadable else tuple(unfit)
    lent = _lent(entry, new, temporary)
    if found or old is None or new is None or permissions is None:
        refusal = Refusal(
            "NEW_ROLE_UNFIT",
            f"{name_of(entry.task_role)} is not ready for {service}: {' '.join(f.text for f in found)}",
            _keep_first(entry, lent)
            or "Fix what the findings name, and start the cure again. The grant stays until then.",
        )
        return Diagnosis("REFUSE", now, (wrong_role, *found), refusal=refusal)
    withdraw, keep = _ending(held, service, old)
    plan = Plan(
        role=definition.task_role,
        attach=(),
        redeploy=True,
        task_definition=definition.arn,
        new_role=entry.task_role,
        withdraw=withdraw,
        keep=keep,
    )
    against = planned_against(old, permissions.declared, new)
    found_here = (wrong_role, *elsewhere(definition))
    return Diagnosis("CHANGE", now, found_here, plan, definition.logs, planned_against=against)


def _plan_leftovers(
    incident: Incident,
    definition: TaskDefinition,
    allowed: Allowed,
    aws: Account,
    now: str,
) -> Diagnosis:
    """The service runs with the right role already; a grant of its own may be left on another one, or on this
    one a grant of what the catalogue does not declare (any more)."""
    entry, service, used = incident.entry, incident.service, definition.task_role
    assert entry is not None and service is not None and used is not None
    roles = (used, *sorted(allowed.roles - {used}))
    held = dict(zip(roles, each(aws.holds.of, roles), strict=True))
    right = Finding("RIGHT_TASK_ROLE", f"The tasks run as {name_of(used)}, as declared.")
    if lent := _lent(entry, aws.roles.read(used), held[used]):
        text = " ".join(finding.text for finding in _temporary(entry, lent))
        refusal = Refusal("NEW_ROLE_UNFIT", text, _keep_first(entry, lent))
        return Diagnosis("REFUSE", now, (right, *_temporary(entry, lent)), refusal=refusal)
    own = {role: tuple(h for h in standing(held[role]) if h.service == str(service)) for role in roles}
    role = next((role for role in roles if own[role]), None)
    state = aws.roles.read(role) if role else None
    if role is None or state is None:
        nothing = Finding("NO_GRANT", "No temporary grant of the service is left on a managed role.")
        return Diagnosis("NOTHING_TO_FIX", now, (right, nothing))
    withdraw, keep = _ending(own[role], service, state)
    plan = Plan(role, (), redeploy=False, task_definition=definition.arn, withdraw=withdraw, keep=keep)
    findings = (right, *elsewhere(definition))
    return Diagnosis("CHANGE", now, findings, plan, definition.logs, planned_against=planned_against(state))


def _ending(
    held: tuple[Hold, ...], service: Service, role: RoleState
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The service's grants on the role: those that go, and those that its tag names, which stay."""
    policies = sorted({hold.policy for hold in held if hold.service == str(service)})
    keep = tuple(policy for policy in policies if is_kept_by_tag(policy, role))
    return tuple(policy for policy in policies if policy not in keep), keep


def _lent(entry: CatalogueEntry, role: RoleState | None, held: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """The holds because of which the declared role has what is declared: for a time only."""
    if role is None:
        return ()
    there = attachments_of(role)
    return tuple(
        hold
        for hold in standing(held)
        if hold.policy in entry.policies and is_there(hold, there) and not is_kept_by_tag(hold.policy, role)
    )


def _keep_first(entry: CatalogueEntry, lent: tuple[Hold, ...]) -> str:
    """What to do before the cure, where the declared role has a policy for a time only."""
    if not lent:
        return ""
    names = ", ".join(sorted({name_of(hold.policy) for hold in lent}))
    runs = sorted({hold.incident for hold in lent})
    inputs = "\n".join(f'  {{"mode": "keep", "incident": "{run}"}}' for run in runs)
    return (
        f"Attach {names} to {name_of(entry.task_role)} where that role is managed, and then keep it, with"
        f" the input:\n{inputs}"
    )


def _read(role: str, aws: Account) -> tuple[RoleState | None, Finding | None]:
    """The role, or that AWS refuses to show it. Raises AwsUnavailable, AwsRefused for another reason."""
    try:
        return aws.roles.read(role), None
    except AwsRefused as refused:
        if not refused.code.startswith("AccessDenied"):
            raise
        text = (
            f"{role} could not be read: {str(refused)[:300]} It does not exist, or the stack may not read it:"
            " see whether the role's path is that of ManagedRoleArns."
        )
        return None, Finding("NEW_ROLE_UNREADABLE", text, (role,))


def _unfit(
    entry: CatalogueEntry,
    new: RoleState | None,
    permissions: RolePermissions | None,
    temporary: tuple[Hold, ...],
    execution_role: str | None,
    allowed: Allowed,
) -> list[Finding]:
    if entry.task_role not in allowed.roles:
        text = f"{name_of(entry.task_role)} is not in ManagedRoleArns, so it may not be passed to ECS."
        return [Finding("NEW_ROLE_NOT_PASSABLE", text, (entry.task_role,))]
    if new is None or permissions is None:
        return [Finding("NEW_ROLE_MISSING", f"{entry.task_role} does not exist.", (entry.task_role,))]
    found = []
    if execution_role is not None and execution_role not in allowed.execution_roles:
        text = (
            f"The execution role {name_of(execution_role)} is not in ExecutionRoleArns, so a revision with it"
            " may not be registered."
        )
        found.append(Finding("EXECUTION_ROLE_NOT_PASSABLE", text, (execution_role,)))
    found += _temporary(entry, _lent(entry, new, temporary))
    return [*found, *(Finding("NEW_ROLE_UNFIT", text) for text in problems(new, permissions, entry.policies))]


def _temporary(entry: CatalogueEntry, lent: tuple[Hold, ...]) -> list[Finding]:
    """A cure that builds on them would not last."""
    return [
        Finding(
            "NEW_ROLE_UNFIT",
            f"{name_of(entry.task_role)} has {name_of(hold.policy)} only as the temporary grant of run"
            f" {hold.incident}.",
            (hold.policy,),
        )
        for hold in lent
    ]


def _no_way_back(definition: TaskDefinition, status: str) -> Refusal:
    # DescribeTaskDefinition, and UpdateService: "TaskDefinition is inactive".
    return Refusal(
        "REVISION_NOT_ACTIVE",
        f"{name_of(definition.arn)}, which the service runs, is {status}: ECS would not deploy it again, so"
        " the cure could not be undone.",
        "Deploy an ACTIVE revision with the same content, and start the cure again.",
    )


def _terraform(entry: CatalogueEntry, definition: TaskDefinition) -> Refusal:
    family = name_of(definition.arn).rpartition(":")[0]
    assert definition.task_role is not None
    change = patch(entry.terraform_address, definition.task_role, entry.task_role, family)
    return Refusal(
        "MANAGED_BY_TERRAFORM",
        f"{family} is managed by Terraform, which would undo a revision that was registered beside it.",
        f"Make this change there and apply it; the grant then ends at its time, or start the cure again:\n"
        f"{change}",
    )


def _refused(refusal: Refusal | None, now: str) -> Diagnosis:
    return Diagnosis("REFUSE", now, refusal=refusal)
