"""The worker after its containment, looked at every 20 seconds."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from regrant.model.catalogue import CatalogueEntry
from regrant.model.results import Health
from regrant.model.run import RunState
from tests.unit.fakes import ENTRY, INCIDENT_OF_WORKER, OLD_DEPLOYMENT, World, diagnosed
from tests.unit.run import Run


class Unread:
    """Whatever is asked of it fails the test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


class Watch:
    """The worker after its grant of 3, on tasks `new-1` and `new-2` of the deployment of 5 (`ours`); an old
    task may still log. Without `redeploys`, or only if needed, it is on its old tasks as yet.

    Four dead letters are there from before. backlog: messages that waited at the baseline.
    """

    def __init__(
        self,
        backlog: int = 14,
        entry: CatalogueEntry = ENTRY,
        *,
        redeploys: bool = True,
        if_needed: bool = False,
        seconds_to_dead_letter: float | None = None,
    ) -> None:
        self.world = World()
        diagnosis = diagnosed(redeploy=redeploys and not if_needed, redeploy_if_needed=if_needed)
        depths = replace(
            diagnosis.depths,
            backlog=backlog,
            dead_letters=4,
            seconds_to_dead_letter=seconds_to_dead_letter,
        )
        self.world.queues.visible, self.world.queues.dead = backlog, 4
        self.world.services.tasks = {None: ("old-1",)}
        incident = replace(INCIDENT_OF_WORKER, entry=entry)
        self.run = Run(self.world, incident, replace(diagnosis, depths=depths))
        self.run.capture()
        self.run.attach()
        self.ours = OLD_DEPLOYMENT
        # As if the first look were at 24, when the pause after AttachPolicies is over.
        self.seconds = 4.0
        if redeploys and not if_needed:
            self.deploy(5)
            self.world.services.finish()
            self.seconds = 150.0

    @property
    def state(self) -> RunState:
        return self.run.state

    def deploy(self, seconds: float) -> None:
        """RedeployService; the deployment is still going on."""
        self.ours = self.run.redeploy(seconds).deployment
        self.world.services.tasks = {self.ours: ("new-1", "new-2"), None: ("old-1",)}
        self.seconds = seconds

    def look(self, *, visible: int = 0, after: float = 20) -> Health:
        self.seconds += after
        self.world.queues.visible = visible
        return self.run.verify(self.seconds)

    @property
    def health(self) -> Health:
        """After the last look."""
        assert self.state.health is not None
        return self.state.health

    def look_denied(self, message: str, task: str = "new-1") -> Health:
        """Denied, and again after the look that has seen it: the second look."""
        self.log(message, task)
        assert self.look().verdict == "PENDING"
        self.log(message, task)
        return self.look()

    def log(self, message: str, task: str = "new-1") -> None:
        """Now, that is a second into the window of the next look."""
        self.world.logs.write(self.seconds + 1, message, task)
