"""Who is who: identities of IAM, the stack's list of approvers, and whether two identities are one person.

IAM knows no persons. A user is one. A role is one as well, whoever is in it, unless the owner lists its
sessions: then each session's name is one, which is right where the role's trust fixes that name (IAM Identity
Center names it after the user).
"""

from __future__ import annotations

import re

import msgspec

from regrant.model.approval import Starter

ANYONE = "any"
"""In place of a list: whoever IAM lets call the function's URL."""

# IAM user guide, IAM identifiers: names are unique in an account, whatever their path.
_USER = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):user/(?:.*/)?([^/]+)")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:.*/)?([^/]+)")
_SESSION = re.compile(r"arn:aws[a-z-]*:sts::(\d{12}):assumed-role/([^/]+)/(.+)")
# CloudTrail user guide, userIdentity element: kinds that are a person's or a role's, with an ARN.
_KNOWN = ("IAMUser", "AssumedRole", "Role")


class Person(msgspec.Struct, frozen=True):
    """A user, or a role with the session's name, of an account."""

    account: str
    name: str
    role: bool = False
    session: str = ""


def person(arn: str) -> Person | None:
    """Who has that ARN; None for root, a federated user and anything else that has no place in the list."""
    if found := _USER.fullmatch(arn):
        return Person(found[1], found[2].lower())
    if found := _ROLE.fullmatch(arn):
        return Person(found[1], found[2].lower(), role=True)
    if found := _SESSION.fullmatch(arn):
        return Person(found[1], found[2].lower(), role=True, session=found[3])
    return None


class Approvers(msgspec.Struct, frozen=True):
    """The owner's list: ARNs of users, of roles, and of sessions (`*` for every session of the role)."""

    listed: tuple[Person, ...] = ()
    anyone: bool = False

    @property
    def nobody(self) -> bool:
        return not self.listed and not self.anyone

    def admit(self, caller: Person) -> bool:
        return self.anyone or any(_is(entry, caller) for entry in self.listed)

    def separates_sessions(self, caller: Person) -> bool:
        """Whether the sessions of the caller's role are persons: only where nothing lists the role itself."""
        entries = [entry for entry in self.listed if _is(entry, caller)]
        return bool(entries) and all(entry.session for entry in entries)


def approvers(text: str) -> Approvers:
    """The stack's parameter: ARNs with commas between, ANYONE, or nothing for nobody."""
    if text == ANYONE:
        return Approvers(anyone=True)
    return Approvers(tuple(found for arn in text.split(",") if (found := person(arn.strip()))))


def _is(entry: Person, caller: Person) -> bool:
    if (entry.account, entry.name, entry.role) != (caller.account, caller.name, caller.role):
        return False
    return entry.session in ("", "*", caller.session)


def is_certain(starter: Starter) -> bool:
    """Whether it is certain who that is: a user, a role, or an AWS service that calls in nobody's name."""
    if starter.kind == "AWSService":
        return True
    return starter.kind in _KNOWN and person(starter.arn) is not None


def same_person(caller: Person, caller_id: str, starter: Starter, *, sessions: bool) -> bool:
    """Whether the one who answers has started the run. sessions: each session of a role is a person."""
    if starter.id and starter.id == caller_id:
        return True
    other = person(starter.arn)
    if other is None or (other.account, other.name, other.role) != (caller.account, caller.name, caller.role):
        return False
    # Whoever names their own session may write paula as Paula, which makes no second person of one.
    return not (sessions and other.session and other.session.casefold() != caller.session.casefold())
