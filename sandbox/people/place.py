"""The account that stories are played in, with short names for what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import iam_backends
from moto.sns.models import sns_backends

from sandbox.chaos.world import BACKEND, SECOND, WORKER, World, world
from sandbox.people.facts import HoldSeen, name_of
from sandbox.scenarios.seeds import retainwise

ROLES = {"old": retainwise.OLD_ROLE, "new": retainwise.WORKER_ROLE, "back": retainwise.BACKEND_ROLE}
"""The role in use, that which the workers' entries declare, and that which the backend's does."""
POLICIES = {"receive": retainwise.RECEIVE, "send": retainwise.SEND}
SERVICES = {"worker": WORKER, "second": SECOND, "backend": BACKEND}
"""The second runs the worker's task definition, with the same role and the same entry."""

SEED = 1


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{retainwise.ACCOUNT}:role/{name}"


class Place(World):
    """The account with all that a story needs of it: its runs, its journal, its topic."""

    @property
    def iam(self) -> Any:
        return self.account.client("iam")

    @property
    def ecs(self) -> Any:
        return self.account.client("ecs")

    @property
    def ssm(self) -> Any:
        return self.account.client("ssm")

    @property
    def sfn(self) -> Any:
        return self.account.client("stepfunctions")

    @property
    def scheduler(self) -> Any:
        return self.account.client("scheduler")

    def where(self, service: str) -> dict[str, str]:
        """Of a service's short name, what ECS's calls take."""
        cluster, _, name = SERVICES[service].partition("/")
        return {"cluster": cluster, "service": name}

    def on_role(self, role: str) -> list[str]:
        """The ARNs that are attached to a role (its name)."""
        roles = iam_backends[self.account.account_id]["aws"].roles.values()
        return next((list(each.managed_policies) for each in roles if each.name == role), [])

    def holds(self) -> Iterator[HoldSeen]:
        """Those that were not dropped."""
        table = dynamodb_backends[self.account.account_id][self.account.region].get_table(self.journal)
        for items in table.items.values():
            for item in items.values() if isinstance(items, dict) else [items]:
                entry, role = item.attrs["entry"].value, name_of(item.attrs["incident"].value)
                if not entry.startswith("hold#"):
                    continue
                body = json.loads(item.attrs["body"].value)
                if not body.get("dropped_at"):
                    yield HoldSeen(
                        role=role,
                        policy=name_of(body["policy"]),
                        incident=body["incident"],
                        service=body["service"],
                        held_at=body.get("held_at", ""),
                        expires_at=body.get("expires_at"),
                        lost=bool(body.get("lost_at")),
                    )

    def ended(self) -> list[Any]:
        """The executions that have ended, in that order."""
        return sorted((e for e in self._executions() if e.stop_date), key=lambda each: each.stop_date)

    def questions(self) -> list[str]:
        return self._sent("APPROVAL NEEDED")

    def page_of(self, run: str) -> str:
        """The last message to the topic with the run's report."""
        pages = [text for text in self._sent("") if f"incident {run}" in " ".join(text[:600].split())]
        return pages[-1] if pages else ""

    def ends_within(self, seconds: float) -> bool:
        """Whether a grant ends in that time, or has ended so long ago that its expiry may go on."""
        now, around = self.account.clock.now(), timedelta(seconds=seconds)
        begin, end = (now - around).isoformat()[:19], (now + around).isoformat()[:19]
        return any(hold.expires_at and begin < hold.expires_at[:19] < end for hold in self.holds())

    def subjects(self) -> list[str]:
        """Of all messages to the topic."""
        topics = sns_backends[self.account.account_id][self.account.region].topics.values()
        return [str(notice[2]) for topic in topics for notice in topic.sent_notifications]

    def audit(self) -> list[dict[str, Any]]:
        """The grants that `make audit` lists."""
        event = json.dumps({"time": self.account.clock.now().isoformat()})
        client: Any = self.account.client("lambda")
        answer = client.invoke(FunctionName="regrant-list-grants", Payload=event)
        text = answer["Payload"].read()
        if "FunctionError" in answer:
            raise RuntimeError(f"The audit failed: {text.decode()}")
        return list(json.loads(text)["grants"])

    def rehearse(self) -> None:
        """Import every function once, so that the forks have them."""
        functions = lambda_backends[self.account.account_id][self.account.region].list_functions()
        for function in functions:
            self.account.functions.invoke(function, {})
        self.start({"service": WORKER, "mode": "plan"})
        self.rest()
        self.rehearsed()


@contextmanager
def place() -> Iterator[Place]:
    """Two workers need `receive` on the old role, and lack it; the backend has `send` there."""
    with world("broken", SEED, uploads=16, second=True) as there:
        here = Place(there.account, {"RunbookArn": there.machine, "JournalTable": there.journal})
        # A person acts at one moment, and has waited for CloudTrail until then.
        here.account.trail.delay = 0
        here.rehearse()
        yield here
