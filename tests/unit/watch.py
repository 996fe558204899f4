"""The worker after its rollout, watched sample by sample."""

from __future__ import annotations

from msgspec.structs import replace

from regrant.model.results import BaselineMark, Grant, Health, Rollout, Verdict
from regrant.verify import watch
from regrant.verify.health import verify_health
from tests.unit.fakes import (
    DEFINITION,
    ENTRY,
    INCIDENT_OF_WORKER,
    OLD,
    OLD_DEPLOYMENT,
    OLD_ROLE,
    RECEIVE,
    ROLE,
    ROUTE,
    RUNNING,
    World,
    at,
)

OURS = "ecs-svc/4026531840000000042"
GRANT = Grant(OLD_ROLE, (RECEIVE,), at(3))
ROLLOUT = Rollout(OURS, started_at=at(5), at=at(150), verdict="HEALTHY", checks=9)

ROLLED_OUT: tuple[Verdict, tuple[str, ...]] = ("HEALTHY", ())


class Watch:
    """The worker after its rollout, sampled every 20 seconds; an old task may still log."""

    def __init__(self, backlog: int = 14) -> None:
        self.world = World()
        ours = replace(OLD, id=OURS)
        self.world.services.state = replace(RUNNING, deployments=(ours,))
        self.world.roles.role = replace(ROLE, attached=(RECEIVE,))
        self.world.services.tasks = {OURS: ("new-1", "new-2"), None: ("old-1",)}
        self.world.queues.waiting = backlog
        self.mark = BaselineMark("sha", at(2), OLD_DEPLOYMENT, DEFINITION, backlog=backlog, dead_letters=4)
        self.world.queues.dead = 4
        self.entry = ENTRY
        self.health: Health | None = None
        self.seconds = 150.0

    def sample(self, *, waiting: int = 0, after: float = 20, rollout: Rollout | None = ROLLOUT) -> Health:
        self.seconds += after
        self.world.queues.waiting = waiting
        self.health = verify_health(
            replace(INCIDENT_OF_WORKER, entry=self.entry),
            (ROUTE,),
            self.mark,
            watch.Watch(
                GRANT, rollout, self.health, rollout.started_at if rollout else GRANT.at, watch.LIMIT
            ),
            self.world.services,
            self.world.roles,
            self.world.logs,
            self.world.queues,
            at(self.seconds),
        )
        return self.health

    def log(self, message: str, task: str = "new-1") -> None:
        """Now, that is a second into the window of the next sample."""
        self.world.logs.write(self.seconds + 1, message, task)
