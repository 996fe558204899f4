"""Whether a denial in the proof is more than words: the role's own policies say no, too, to a call that the
service is entitled to.

One line of a log is soon written. What is denied by another layer (an SCP, a key's policy) no policy of the
role confirms; that is confirmed by being denied again (regrant.verify.health).
"""

from __future__ import annotations

from collections.abc import Iterable

from regrant.denials.own import asked_resource
from regrant.errors import AwsRefused
from regrant.iam.permissions import RolePermissions
from regrant.iam.policy import Policy, evaluate
from regrant.model.denial import Denial
from regrant.model.run import Plan
from regrant.parallel import both
from regrant.ports import Roles

# Of the calls of one look, so that a log full of ever other ones takes no time.
_JUDGED = 50


def is_confirmed(
    denials: tuple[Denial, ...], role: str, plan: Plan, declared: Iterable[str], roles: Roles
) -> bool:
    """Whether the role (ARN) has not what it was denied, though the catalogue declares it, or the service had
    it before the run: by the role that a cure replaces, or by what was withdrawn.

    What cannot be read confirms nothing. Raises AwsUnavailable.
    """
    wanted = tuple(dict.fromkeys((*declared, *plan.attach, *plan.withdraw)))
    try:
        now, before = both(
            lambda: roles.permissions(role, wanted, with_quota=False),
            lambda: None if plan.role == role else roles.permissions(plan.role, (), with_quota=False),
        )
    except AwsRefused:
        return False
    entitled = (*now.declared, *(before.identity if before else ()))
    return any(_is_lacking(denial, now, entitled) for denial in denials[:_JUDGED])


def _is_lacking(denial: Denial, role: RolePermissions, entitled: tuple[Policy, ...]) -> bool:
    if denial.action is None:
        return False
    resource = asked_resource(denial)
    refused = role.evaluate(denial.action, resource).answer in ("IMPLICIT_DENY", "EXPLICIT_DENY")
    return refused and evaluate(entitled, denial.action, resource).allow is not None
