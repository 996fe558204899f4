"""Who changed what: the account's own list of calls, read as it grows. The runbook's code is not asked.

IAM does not say who attached a policy, and whoever attaches what is attached leaves no trace. So a promise
may be held against a run only for what it could see: `missed` counts the looks in which a policy was absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ecs.models import ecs_backends
from moto.iam.models import iam_backends
from msgspec.structs import replace

from sandbox.account import LocalAccount
from sandbox.engine.core import Call
from sandbox.people.facts import PERSON, REMADE, SEED, Attachment, Deed, name_of

AUDIT = "the audit"
_LOOKS = (
    *("audit-grants", "diagnose", "capture-baseline"),
    *("verify-health", "withdraw-grants", "undo-role"),
)
"""Functions (without prefix) that look at what is attached and may write down what they miss. ListGrants may
not: it only reads."""
_CHANGES = ("Put", "Delete", "Create", "Update", "Register", "Deregister", "Tag", "Untag", "Set")

Pair = tuple[str, str]
"""Names of a role and a policy."""


class _Calls(list[Call]):
    """In place of the account's list: passes each call on when it has been answered."""

    def __init__(self, seen: Callable[[Call], None]) -> None:
        super().__init__()
        self._seen = seen

    def append(self, call: Call) -> None:
        super().append(call)
        self._seen(call)


class Ledger:
    """`running` is the run whose function runs, and whether it only looks: the innermost comes last."""

    def __init__(self, account: LocalAccount, note: Callable[[str], None]) -> None:
        self._account, self._note = account, note
        self.deeds: list[Deed] = []
        self.running: list[tuple[str, bool]] = []
        self._invocations = 0
        self._attached = {
            (role.name, name_of(arn)): Attachment(role.name, name_of(arn), SEED)
            for role in self._roles()
            for arn in role.managed_policies
        }
        self._missed: dict[Pair, set[int]] = {}
        """Of what is absent: the invocations that saw it so."""
        self._shown: set[Pair] = set()
        """What has been seen attached since it was."""
        self._remade: set[str] = set()
        account.calls = _Calls(self._seen)
        self._watch_functions()

    @property
    def attached(self) -> tuple[Attachment, ...]:
        return tuple(self._attached.values())

    def _roles(self) -> list[Any]:
        return list(iam_backends[self._account.account_id]["aws"].roles.values())

    def _latest(self, family: str) -> str:
        backend = ecs_backends[self._account.account_id][self._account.region]
        return f"{family}:{max(backend.task_definitions[family])}"

    def _watch_functions(self) -> None:
        functions: Any = self._account.functions
        run = functions._run

        def ran(function: Any, event: Any, context: Any) -> Any:
            self._invocations += 1
            self.running.append(_run_of(event))
            try:
                return run(function, event, context)
            finally:
                self.running.pop()

        functions._run = ran

    def _seen(self, call: Call) -> None:
        if call.error or not (call.function or call.principal.endswith("user/administrator")):
            return
        what, given = f"{call.service}:{call.operation}", call.parameters
        role, policy = str(given.get("RoleName", "")), name_of(str(given.get("PolicyArn", "")))
        if what == "iam:ListAttachedRolePolicies":
            self._looked(call, role)
        elif what == "iam:AttachRolePolicy":
            self._attach(call, role, policy)
        elif what == "iam:DetachRolePolicy":
            gone = self._attached.pop((role, policy), None)
            self._missed[role, policy] = set()
            self._write(call, what, role=role, policy=policy, owner=gone.owner if gone else "")
        elif call.service in ("iam", "ecs") and call.operation.startswith(_CHANGES):
            if what == "iam:DeleteRole":
                self._remade.add(role)
                for pair in [pair for pair in self._attached if pair[0] == role]:
                    del self._attached[pair]
            about = {k: v for k, v in given.items() if isinstance(v, str | int | bool) or k == "Tags"}
            if what == "ecs:RegisterTaskDefinition":
                about["taskDefinition"] = self._latest(str(given["family"]))
            self._write(call, what, role=role, about=about)

    def _looked(self, call: Call, role: str) -> None:
        looks = call.function and call.function.removeprefix("regrant-") in _LOOKS
        if looks and not (self.running and self.running[-1][1]):
            self._shown |= {pair for pair in self._attached if pair[0] == role}
            for pair, seen in self._missed.items():
                if pair[0] == role and pair not in self._attached:
                    seen.add(self._invocations)

    def _attach(self, call: Call, role: str, policy: str) -> None:
        pair = role, policy
        if there := self._attached.get(pair):
            if call.function and pair not in self._shown and self.running:
                # Somebody was quicker, and nothing showed it: the run takes it to be its own.
                self._attached[pair] = replace(there, owner=self.running[-1][0])
            return  # without a trace, for people as for runs
        self._shown.discard(pair)
        missed = REMADE if role in self._remade else len(self._missed.get(pair, ()))
        deed = self._write(call, "iam:AttachRolePolicy", role=role, policy=policy, missed=missed)
        self._attached[pair] = Attachment(role, policy, deed.who, deed.number, missed)

    def _write(self, call: Call, what: str, **more: Any) -> Deed:
        who = self.running[-1][0] if self.running and call.function else PERSON
        at = self._account.clock.now().isoformat()
        deed = Deed(len(self.deeds), at, who, call.function or "", what, **more)
        self.deeds.append(deed)
        if who != PERSON:
            about = f"{deed.policy} on {deed.role}" if deed.policy else deed.about
            self._note(f"    {deed.function}: {what} {about}")
        return deed


def _run_of(event: Any) -> tuple[str, bool]:
    """The run that a function works for, from what it was called with; and whether that is only a look."""
    if not isinstance(event, dict):
        return AUDIT, True
    state = event.get("state")
    incident = state.get("incident") if isinstance(state, dict) else None
    run = event.get("execution") or (incident.get("id") if isinstance(incident, dict) else None)
    return str(run or AUDIT), bool(event.get("dry_run"))
