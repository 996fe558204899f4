"""Whether Terraform removes an attachment that somebody made beside it, judged one resource at a time.

What the provider hashicorp/aws 5.x and 6.x does, by its sources and documentation (Resource pages), and seen
with 5.100.0:

- `aws_iam_role_policy_attachments_exclusive` reads all that is attached to its role, and detaches what
  `policy_arns` does not have (role_policy_attachments_exclusive.go, syncAttachments).
- `aws_iam_policy_attachment` reads all that its policy is attached to, in the whole account, and detaches it
  from those that `roles` does not have (policy_attachment.go, updateRoles). It need not name our role at all.
  When it is destroyed it detaches it from the roles in its state only, which Terraform does not read again
  before it destroys what the HCL does not have any more.
- `aws_iam_role` with `managed_policy_arns` does the same as the first, if the argument is written. It is
  Optional and Computed (role.go): a state has the list either way, so only a plan's configuration says. So
  it is in `awscc_iam_role` of hashicorp/awscc, of which nothing was seen: it is unknown by a plan, too.
- `aws_iam_role_policy_attachment` adds and takes off only itself. `aws_iam_role_policies_exclusive` and
  `inline_policy` look at inline policies, the others with `_exclusive` at users, groups and permission sets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from regrant.model.aws import name_of
from regrant.visible import visible

Word = Literal["REMOVED", "STAYS", "UNKNOWN"]

OF_A_ROLE = "aws_iam_role_policy_attachments_exclusive"
OF_A_POLICY = "aws_iam_policy_attachment"
ONE = "aws_iam_role_policy_attachment"
ROLE = "aws_iam_role"
ROLE_BY_CLOUD_CONTROL = "awscc_iam_role"
TYPES = (OF_A_ROLE, OF_A_POLICY, ONE, ROLE, ROLE_BY_CLOUD_CONTROL)
"""The types of resources that are looked at; nothing of any other is read."""

_LONGEST = 300
_POLICY = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):policy/.+")


class Grant(NamedTuple):
    """A policy and the role that it is or would be attached to (ARNs). attached: it is there already."""

    role: str
    policy: str
    attached: bool = False


class Ownership(NamedTuple):
    """What the next apply does with the grant. why: the reason, words that go on after a colon. address: the
    resource that says so."""

    word: Word
    why: str
    address: str | None = None


class Attributes(msgspec.Struct, frozen=True):
    """What is read of a resource's attributes, of all the types together. None: null, not there, or not known
    before an apply."""

    arn: str | None = None
    role: str | None = None
    role_name: str | None = None
    roles: tuple[str, ...] | None = None
    policy_arn: str | None = None
    policy_arns: tuple[str, ...] | None = None
    managed_policy_arns: tuple[str, ...] | None = None


class Resource(NamedTuple):
    """One instance. owns: whether its list is one that the HCL has, and not what a refresh has read; None if
    that is not known. deposed: Terraform is to destroy it, and has replaced it."""

    kind: str
    address: str
    attributes: Attributes
    owns: bool | None = None
    deposed: bool = False


class _Sign(NamedTuple):
    """What one resource says. Of several the lowest rank is believed."""

    rank: Literal[0, 1, 2, 3]
    ownership: Ownership


def judge(resources: Iterable[Resource], grant: Grant) -> Ownership:
    """REMOVED if any of the resources removes the grant; STAYS only where one shows that none does."""
    signs = [sign for resource in resources for sign in _signs(resource, grant)]
    if signs:
        return min(signs, key=lambda sign: sign.rank).ownership
    role = name_of(grant.role)
    return Ownership("UNKNOWN", f"neither {role} nor an attachment to it is in this Terraform's state")


def address_of(module: str, kind: str, name: str, key: int | str | None) -> str:
    """A resource's address as Terraform writes it: `module.a["x"].aws_iam_role.y[0]`."""
    index = "" if key is None else f"[{json.dumps(key, ensure_ascii=False)}]"
    return as_shown(f"{f'{module}.' if module else ''}{kind}.{name}{index}")


def as_shown(address: str) -> str:
    """Others wrote it: on one line, and not too long."""
    seen = visible(address)
    return seen if len(seen) <= _LONGEST else f"{seen[:_LONGEST]}…"


def _signs(resource: Resource, grant: Grant) -> Iterator[_Sign]:
    kind, has, role = resource.kind, resource.attributes, name_of(grant.role)
    if kind == OF_A_ROLE and has.role_name == role and not resource.deposed:
        # Destroying it detaches nothing (WithNoOpDelete).
        if not _of_another_account(has.policy_arns, grant):
            yield _listed(resource, has.policy_arns, grant.policy, grant)
    elif kind == OF_A_POLICY and has.policy_arn == grant.policy:
        roles = has.roles or ()
        if not resource.deposed:
            yield _listed(resource, roles, role, grant)
        elif role in roles:
            why = f"{resource.address} is to be destroyed, which takes {name_of(grant.policy)} off {role}"
            yield _Sign(0, Ownership("REMOVED", why, resource.address))
    elif kind == ONE and has.role == role and not resource.deposed:
        # managed_policy_arns beside it would show a difference in every plan (documentation of aws_iam_role,
        # and of this resource).
        why = f"{resource.address} attaches policies to {role} one by one"
        yield _Sign(2, Ownership("STAYS", why, resource.address))
    elif kind in (ROLE, ROLE_BY_CLOUD_CONTROL) and has.arn == grant.role and not resource.deposed:
        yield _of_role(resource, grant)


def _listed(resource: Resource, listed: tuple[str, ...] | None, wanted: str, grant: Grant) -> _Sign:
    """Of a resource that takes off all that its list does not have."""
    address = resource.address
    if listed is None:
        return _Sign(1, Ownership("UNKNOWN", f"the list of {address} is not known before the apply", address))
    if wanted not in listed:
        policy, role = name_of(grant.policy), name_of(grant.role)
        all_of_them = f"policies that {role} is to have"
        if resource.kind == OF_A_POLICY:
            all_of_them = f"roles that are to have {policy}"
        why = f"{address} lists all {all_of_them}, and {name_of(wanted)} is not one of them"
        return _Sign(0, Ownership("REMOVED", why, address))
    if grant.attached and resource.owns is None:
        why = f"{address} lists it in the state, as it does after a refresh that has seen the grant"
        return _Sign(1, Ownership("UNKNOWN", why, address))
    return _Sign(2, Ownership("STAYS", f"{address} lists it", address))


def _of_role(resource: Resource, grant: Grant) -> _Sign:
    address, listed = resource.address, resource.attributes.managed_policy_arns
    if resource.owns is None:
        why = f"whether the HCL sets managed_policy_arns of {address} cannot be seen"
        return _Sign(3, Ownership("UNKNOWN", why, address))
    if resource.owns:
        return _listed(resource, listed, grant.policy, grant)
    return _Sign(2, Ownership("STAYS", f"{address} has no managed_policy_arns in the HCL", address))


def _of_another_account(policies: tuple[str, ...] | None, grant: Grant) -> bool:
    """A role's name is unique in one account only, and a state may have several accounts."""
    account = grant.role.split(":")[4]
    found = (_POLICY.fullmatch(policy) for policy in policies or ())
    return any(policy[1] != account for policy in found if policy)
