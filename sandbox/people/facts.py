"""What was seen from outside while a story was played. Roles, policies and runs by name."""

from __future__ import annotations

from typing import Any

import msgspec

PERSON, SEED = "a person", "the seed"
REMADE = 99
"""As many looks as anybody could ask for: a role that was made again has another RoleId."""


def name_of(arn: str) -> str:
    return arn.rpartition("/")[2]


class Deed(msgspec.Struct, frozen=True):
    """A change that took effect: by a run (its name) or a person, by a function or none.

    owner: of what was detached, who had attached it. missed: for how many looks of the runbook a policy that
    is attached here had been absent. about has what else the call named.
    """

    number: int
    at: str
    who: str
    function: str
    call: str
    role: str = ""
    policy: str = ""
    owner: str = ""
    missed: int = 0
    about: dict[str, Any] = {}

    @property
    def attaches(self) -> bool:
        return self.call == "iam:AttachRolePolicy"

    @property
    def detaches(self) -> bool:
        return self.call == "iam:DetachRolePolicy"

    def is_of(self, role: str, policy: str) -> bool:
        return (self.role, self.policy) == (role, policy)


class Attachment(msgspec.Struct, frozen=True):
    """What is attached, by whom, with which deed (-1: from the seed), and `missed` as that deed has it."""

    role: str
    policy: str
    owner: str
    deed: int = -1
    missed: int = 0

    def __str__(self) -> str:
        return f"{self.policy} on {self.role}"


class HoldSeen(msgspec.Struct, frozen=True):
    """A hold in the journal that was not dropped. `lost`: the journal says that somebody took it off."""

    role: str
    policy: str
    incident: str
    service: str
    held_at: str
    expires_at: str | None
    lost: bool = False

    def __str__(self) -> str:
        return f"{self.policy} on {self.role}, held by {self.incident} for {self.service}"


class ServiceSeen(msgspec.Struct, frozen=True):
    """Of a service's running tasks: how many seconds ago they logged a success and a denial, None: not in ten
    minutes."""

    status: str
    revision: str
    active: bool
    role: str
    running: int
    success: float | None = None
    denial: float | None = None

    @property
    def works(self) -> bool:
        return (
            self.success is not None
            and self.success <= 150
            and (self.denial is None or self.denial > self.success)
        )

    @property
    def is_denied(self) -> bool:
        """Whether it has been denied since its last success."""
        return self.denial is not None and (self.success is None or self.denial < self.success)


class EntrySeen(msgspec.Struct, frozen=True):
    """A catalogue entry that can be read."""

    task_role: str
    policies: tuple[str, ...]


class Look(msgspec.Struct, frozen=True):
    """The account at a moment; `deeds` came before it. texts are the policies' ids and documents by name."""

    at: str
    deeds: int
    attached: tuple[Attachment, ...]
    holds: tuple[HoldSeen, ...]
    services: dict[str, ServiceSeen]
    entries: dict[str, EntrySeen]
    texts: dict[str, str]
    roles: tuple[str, ...]
    active: tuple[str, ...]
    """The revisions that are ACTIVE."""
    scheduled: tuple[str, ...] = ()
    """The runs whose grants have a schedule that ends them."""

    def find(self, role: str, policy: str) -> Attachment | None:
        return next((a for a in self.attached if (a.role, a.policy) == (role, policy)), None)


class RunSeen(msgspec.Struct, frozen=True):
    """One run. given: its input; subject: the run that it undoes or ends, else itself. began: how many deeds
    came before it. looks: the account when a state was entered last; `closed` when it has ended."""

    name: str
    given: dict[str, Any]
    subject: str
    began: int
    status: str
    error: str | None
    report: dict[str, Any]
    page: str
    looks: dict[str, Look]

    @property
    def outcome(self) -> str:
        return str(self.report.get("outcome", ""))

    @property
    def mode(self) -> str:
        return str(self.report.get("mode", ""))

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(f["code"] for f in self.report.get("findings", ()))

    def findings(self, code: str = "") -> list[dict[str, Any]]:
        return [f for f in self.report.get("findings", ()) if code in ("", f["code"])]


class Rest(msgspec.Struct, frozen=True):
    """No run goes on: the account, what an audit lists, and whether days have passed."""

    look: Look
    audit: list[dict[str, Any]]
    days: bool = False


class Followed(msgspec.Struct, frozen=True):
    """What came of doing what a report's `next` says: the runs that were started, what AWS refused (with its
    words), and the services before (`at`) and some minutes after. moved: others acted since the report."""

    run: str
    text: str
    started: tuple[str, ...]
    refused: tuple[str, ...]
    before: dict[str, ServiceSeen]
    after: dict[str, ServiceSeen]
    at: str
    moved: bool = False


class Seen(msgspec.Struct, frozen=True):
    """All that was seen of a story. log is for a reader; failed is why it could not be played to its end."""

    deeds: tuple[Deed, ...] = ()
    runs: tuple[RunSeen, ...] = ()
    rests: tuple[Rest, ...] = ()
    followed: tuple[Followed, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    """(time, subject) of what the audits sent to the topic."""
    log: tuple[str, ...] = ()
    failed: str = ""

    def run(self, name: str) -> RunSeen | None:
        return next((run for run in self.runs if run.name == name), None)


class Broken(msgspec.Struct, frozen=True):
    """A promise (its name in sandbox/people/promises) that was not kept, and how."""

    promise: str
    text: str
