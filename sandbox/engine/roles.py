"""What each role may do, as the authorisation plane knows it.

IAM is eventually consistent: a change is felt by the role's calls some seconds after the control plane shows
it (about 4 s measured by OFFENSAI in 2025; AWS promises no figure). Changes reach credentials already in use,
because permissions are evaluated at each request (IAM User Guide, "Disabling permissions for temporary
credentials").
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from sandbox.engine.errors import AwsError
from sandbox.iam.evaluate import Decision, Document, Layer, Request, Verdict, lets_service, names, says
from sandbox.iam.requests import ACCOUNT, Ask


@dataclass(frozen=True)
class Permissions:
    policies: list[Document]
    boundary: Document | None


@dataclass(frozen=True)
class _Change:
    """What stood before a change that is felt by all calls at `felt_at`."""

    felt_at: datetime
    before: Permissions
    flapping: random.Random | None


class Roles:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._before: dict[str, list[_Change]] = {}

    def permissions(self, role: str) -> Permissions:
        """What the role may do at this moment."""
        for change in self._before.get(role, []):
            if change.felt_at > self._now() and (change.flapping is None or change.flapping.random() < 0.5):
                return change.before
        return _stored(role)

    def about_to_change(self, role: str, lag: float, flapping: random.Random | None = None) -> None:
        """The change that follows is felt `lag` seconds from now; till then, with `flapping`, by some calls.

        During the lag answers may change to and fro (the same measurement).
        """
        if lag > 0:
            change = _Change(self._now() + timedelta(seconds=lag), _stored(role), flapping)
            self._before.setdefault(role, []).append(change)


def within_quota(role: str, policy: str, limit: int = 10) -> None:
    """Attached policies per role: 10 unless raised (IAM quotas). Attaching again what is attached is no
    change.
    """
    found = _find(role)
    if found is not None and policy not in found.managed_policies and len(found.managed_policies) >= limit:
        raise AwsError("LimitExceeded", 409, f"Cannot exceed quota for PoliciesPerRole: {limit}")


def _stored(role: str) -> Permissions:
    found = _find(role)
    if found is None:
        return Permissions([], None)
    policies = [_parsed(document) for document in found.policies.values()]
    policies += [_document(policy) for policy in found.managed_policies.values()]
    boundary = None
    if found.permissions_boundary_arn:
        managed = iam_backends[ACCOUNT]["aws"].managed_policies.get(found.permissions_boundary_arn)
        # A boundary that no longer exists allows nothing.
        boundary = _document(managed) if managed else {"Statement": []}
    return Permissions(policies, boundary)


def trusts(role: str, service: str, context: Mapping[str, str]) -> bool:
    """Whether the role's trust policy lets an AWS service (its principal) assume it."""
    found = _find(role)
    if found is None:
        return False
    request = Request("sts:AssumeRole", found.arn, context)
    return lets_service(_parsed(found.assume_role_policy_document), service, request)


def let_in(ask: Ask, caller: str, role: str | None, own: Callable[[], Verdict]) -> Verdict:
    """Whether a principal of this account may assume a role: sts:AssumeRole.

    caller: its ARN. role: the ARN of the role whose session it is. own: what its own policies say. The role's
    trust policy must allow it in any case. Where that names the caller itself, its own policies need not;
    where it names the account, they have to (IAM User Guide, "Policy evaluation logic for requests within a
    single account"; "Granting a user permissions to switch roles"). A role that does not exist is a denial.
    """
    found = _find(ask.resource.rpartition("/")[2])
    document = _parsed(found.assume_role_policy_document) if found is not None else {}
    whole = {f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT}
    itself = {caller, "*"} | ({role} if role else set())
    request = Request(ask.action, "*", {"aws:principalarn": role or caller, **ask.context})
    trusted = says(document, lambda each: names(each, "AWS", whole | itself), request)
    if trusted is not Decision.ALLOWED:
        return Verdict(trusted, Layer.TRUST)
    verdict = own()
    directly = says(document, lambda each: names(each, "AWS", itself), request)
    implicit = verdict == Verdict(Decision.IMPLICIT_DENY, Layer.IDENTITY)
    return Verdict(Decision.ALLOWED) if directly is Decision.ALLOWED and implicit else verdict


def provide_aws_policy(arn: str) -> None:
    """AWS's own managed policies are in every account; moto makes them only all together, which is slow."""
    backend = iam_backends[ACCOUNT]["aws"]
    name = arn.rpartition("/")[2]
    if arn.startswith("arn:aws:iam::aws:policy/") and arn not in backend.managed_policies:
        data = _aws_policies().get(name)
        if data:
            policy = AWSManagedPolicy.from_data(name, ACCOUNT, "aws", data)
            backend.managed_policies[policy.arn] = policy


def _document(policy: Any) -> Document:
    version = next(each for each in policy.versions if each.version_id == policy.default_version_id)
    return _parsed(version.document)


def _find(role: str) -> Any:
    return next((each for each in iam_backends[ACCOUNT]["aws"].roles.values() if each.name == role), None)


@cache
def _aws_policies() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(aws_managed_policies_data)
    return data


@lru_cache(maxsize=1024)
def _parsed(document: str) -> Document:
    parsed: Document = json.loads(document)
    return parsed
