"""Is what the template allows enough, all needed, and nothing else? As iam-simulate reads its policies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sandbox.engine.recording import Asked
from scripts.privileges.hostile import Attempt, attempts, concrete
from scripts.privileges.permissions import Permission, Role
from scripts.privileges.reasons import COVERED, UNUSED, Reason
from scripts.privileges.simulation import Question, Request, answers


class Unanswered(Exception):
    """The simulator does not understand a request, so nothing is known about it."""


@dataclass(frozen=True)
class Finding:
    """`what` in words. reason: why it is let be, if anything says so."""

    role: str
    what: str
    reason: Reason | None = None


@dataclass
class Judgement:
    """unneeded and hostile hold the excused ones, too. idle: exceptions that nothing needs. differing: from
    AWS's reference, which judge() does not look at."""

    insufficient: list[Finding] = field(default_factory=list)
    unneeded: list[Finding] = field(default_factory=list)
    hostile: list[Finding] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    tried: dict[str, int] = field(default_factory=dict)
    """How many hostile requests of each role (its title)."""
    differing: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """One line for each difference, each finding without a reason, and each reason without a finding."""
        kinds = {
            "DENIED BUT NEEDED": self.insufficient,
            "ALLOWED BUT NOT NEEDED": self.unneeded,
            "ALLOWED BUT HOSTILE": self.hostile,
        }
        wrong = [f"{kind}  {each.role}: {each.what}" for kind, found in kinds.items() for each in bare(found)]
        wrong = [*(f"DIFFERS FROM AWS'S REFERENCE  {each}" for each in self.differing), *wrong]
        return [*wrong, *(f"AN EXCEPTION THAT NOTHING NEEDS  {each}" for each in self.idle)]


def bare(findings: Iterable[Finding]) -> list[Finding]:
    """Those without a reason."""
    return [each for each in findings if each.reason is None]


def judge(
    roles: Sequence[Role],
    calls: Iterable[Asked],
    unused: Sequence[Reason] = UNUSED,
    covered: Sequence[Reason] = COVERED,
) -> Judgement:
    """Raises Unanswered, and simulation.Unavailable."""
    by_role: dict[str, list[Asked]] = defaultdict(list)
    for call in sorted(calls, key=repr):
        by_role[call.role].append(call)
    asked = {role.name: by_role.pop(role.name, []) for role in roles}
    permissions = [(role, permission) for role in roles for permission in role.permissions]
    tried: dict[str, list[Attempt]] = {role.title: [] for role in roles}
    for attempt in attempts(roles, (call for made in asked.values() for call in made)):
        tried[attempt.role].append(attempt)
    allowed = _ask(
        [
            *(Question(role.documents, [_request(call) for call in asked[role.name]]) for role in roles),
            *(_without(role, permission, asked[role.name]) for role, permission in permissions),
            *(Question(role.documents, [each.request for each in tried[role.title]]) for role in roles),
        ]
    )
    strangers = [Finding(n, f"{call}: there is no such role") for n, made in by_role.items() for call in made]
    judgement = Judgement(strangers, tried={title: len(requests) for title, requests in tried.items()})
    for role in roles:
        for call, yes in zip(asked[role.name], next(allowed), strict=True):
            if not yes:
                what = f"{call.action} on {call.resource} with {dict(call.context)}"
                judgement.insufficient.append(Finding(role.title, what))
    exceptions = _Exceptions(unused)
    for role, permission in permissions:
        if all(next(allowed)):
            reason = exceptions.reason(role.title, permission.action, permission.resources[0])
            judgement.unneeded.append(Finding(role.title, str(permission), reason))
    judgement.idle = exceptions.idle()
    exceptions = _Exceptions(covered)
    for role in roles:
        for attempt, yes in zip(tried[role.title], next(allowed), strict=True):
            if yes:
                reason = exceptions.reason(role.title, attempt.action, attempt.resource, attempt.context)
                judgement.hostile.append(Finding(role.title, attempt.what, reason))
    judgement.idle += exceptions.idle()
    return judgement


def _without(role: Role, permission: Permission, calls: Sequence[Asked]) -> Question:
    """Whether what else allows the action is enough for the calls of it."""
    action = permission.action.lower()
    others = [p for p in role.permissions if p is not permission and p.action.lower() == action]
    requests = [_request(call) for call in calls if call.action.lower() == action]
    document = {"Version": "2012-10-17", "Statement": [each.statement for each in others]}
    return Question([document] if others else [], requests)


def _ask(questions: Sequence[Question]) -> Iterator[list[bool]]:
    """For each question, which of its requests are allowed."""
    for question, given in zip(questions, answers(questions), strict=True):
        for request, answer in zip(question.requests, given, strict=True):
            if answer not in ("Allowed", "ImplicitlyDenied", "ExplicitlyDenied"):
                raise Unanswered(f"{request}: {answer}")
        yield [answer == "Allowed" for answer in given]


def _request(call: Asked) -> Request:
    # A wildcard in what was asked is no pattern: RegisterTaskDefinition is asked about family:*.
    return Request(call.action, concrete(call.resource), {key: list(values) for key, values in call.context})


class _Exceptions:
    """Reasons, and which of them nothing has needed yet."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self._reasons = reasons
        self._left = {(r, role, action) for r in reasons for role in r.roles for action in r.actions}

    def reason(
        self, role: str, action: str, resource: str, context: Collection[tuple[str, str]] = ()
    ) -> Reason | None:
        for reason in self._reasons:
            if reason.covers(role, action, resource, context):
                self._left -= {(reason, role, action), (reason, "*", action)}
                return reason
        return None

    def idle(self) -> list[str]:
        return sorted(f"{role}: {action} on {reason.resource}" for reason, role, action in self._left)
