"""IAM's spelling of actions. Services print `sqs:receivemessage` and `SNS:Publish` in their denials.

The table is iam_actions.txt: a service prefix and its actions on each line, made by
scripts/generate/iam_actions.py. A mark follows the actions that manage permissions (!), and those that take
no resource (*). It is read at the first use, not at import, and only the line of the service asked for is
taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("iam_actions.txt")
_MARKS = "!*"
# Of AssumeRole, PassRole or CreateAccount the reference says Write; they lead to permissions all the same.
_PERMISSIONS = ("iam", "organizations", "sts")
# Of these services whatever is no read changes who may do what, whichever level the reference gives it:
# iam:PassRole, iam:CreateAccessKey, sso:CreateAccountAssignment (so does policy_sentry's table of overrides).
_ACCESS_ONLY = ("iam", "identitystore", "organizations", "ram", "rolesanywhere", "sso", "sso-directory")
# What changes a policy that lies at a resource, or shares one with another account, whichever level the
# reference gives it: it calls kinesis:PutResourcePolicy, eks:AssociateAccessPolicy, eks:CreateAccessEntry and
# rds:ModifyDBSnapshotAttribute Write.
_AT_A_RESOURCE = re.compile(
    r"(Put|Set|Create|Update|Modify|Delete|Associate|Disassociate)\w*("
    r"(Resource|Permissions|Access|Cluster|Application|Project|Group|Endpoint)Policy|AccessEntry"
    r"|(Snapshot|Image)Attribute)[!*]*"
)
_WORDS = ("Policy", "AccessEntry", "Attribute")
_READS = ("Describe", "Generate", "Get", "Is", "List", "Search", "Simulate")


def canonical_action(service: str, name: str) -> str:
    """`service:Name` in IAM's spelling. A name that the table lacks stays, its prefix in lower case."""
    prefix = service.lower()
    return f"{prefix}:{_names(prefix).get(name.lower(), name)}"


def is_action(service: str, name: str) -> bool:
    """Whether IAM knows the action, in whatever case."""
    return name.lower() in _names(service.lower())


def begins_action(service: str, name: str) -> bool:
    """Whether it is no action, but the beginning of one on a truncated line."""
    names = _names(service.lower())
    return name.lower() not in names and any(known.startswith(name.lower()) for known in names)


def manages_permissions(service: str, name: str) -> bool:
    """Whether it changes who may do what, or lends another's permissions: AWS's access level "Permissions
    management", and all of IAM, STS and Organizations."""
    return service.lower() in _PERMISSIONS or "!" in _marks(service, name)


@cache
def permission_actions() -> Mapping[str, tuple[str, ...]]:
    """The names of all actions that change who may do what, by service: AWS's access level "Permissions
    management", a policy at a resource, a snapshot or an image for others, and what IAM and its like do but
    read. Assuming a role is none of them: it changes nothing.
    """
    found = {}
    for prefix, line in _services().items():
        if "!" in line or prefix in _ACCESS_ONLY or any(word in line for word in _WORDS):
            marked = tuple(name.rstrip(_MARKS) for name in line.split(" ")[1:] if _changes(prefix, name))
            if marked:
                found[prefix] = marked
    return found


def _changes(service: str, marked: str) -> bool:
    if "!" in marked or (service in _ACCESS_ONLY and not marked.startswith(_READS)):
        return True
    return any(word in marked for word in _WORDS) and bool(_AT_A_RESOURCE.fullmatch(marked))


def takes_no_resource(service: str, name: str) -> bool:
    """Whether a policy can allow it on `*` only."""
    return "*" in _marks(service, name)


@cache
def _services() -> Mapping[str, str]:
    lines = _TABLE.read_text(encoding="ascii").splitlines()
    return {line.split(" ", 1)[0]: line for line in lines}


def _names(prefix: str) -> Mapping[str, str]:
    # A text may name any number of services that are none; those are not kept.
    return _names_of(prefix) if prefix in _services() else {}


@cache
def _names_of(prefix: str) -> Mapping[str, str]:
    names = (marked.rstrip(_MARKS) for marked in _services()[prefix].split(" ")[1:])
    return {name.lower(): name for name in names}


def _marks(service: str, name: str) -> str:
    line = _services().get(service.lower(), "")
    found = (marked for marked in line.split(" ")[1:] if marked.rstrip(_MARKS).lower() == name.lower())
    return "".join(marked[len(name) :] for marked in found)
