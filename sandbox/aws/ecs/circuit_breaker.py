"""The circuit breaker that watches a service's newest deployment.

Stands for: How the Amazon ECS deployment circuit breaker detects failures (documentation page of that name).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sandbox.aws.ecs.tasks import Deployment, Timing
from sandbox.engine.clock import Clock


class CircuitBreaker:
    """`trip` is called some time after a deployment has failed too often, if that still holds then."""

    def __init__(
        self,
        service: Any,  # moto.ecs.models.Service
        deployments: Sequence[Deployment],
        clock: Clock,
        timing: Timing,
        trip: Callable[[Deployment], None],
    ) -> None:
        self._service = service
        self._deployments = deployments
        self._clock = clock
        self._timing = timing
        self._trip = trip

    @property
    def rolls_back(self) -> bool:
        return bool(self._configuration.get("rollback"))

    @property
    def _configuration(self) -> dict[str, bool]:
        configuration: dict[str, bool] = self._service.deployment_configuration["deploymentCircuitBreaker"]
        return configuration

    def failed(self, deployment: Deployment) -> None:
        """A task of this deployment failed. Called after it was counted."""
        if self._tripped(deployment):
            self._clock.call_later(self._timing.breaker, partial(self._look_again, deployment))

    def _look_again(self, deployment: Deployment) -> None:
        if self._tripped(deployment):
            self._trip(deployment)

    def _tripped(self, deployment: Deployment) -> bool:
        threshold = min(max(math.ceil(self._service.desired_count * 0.5), 3), 200)
        return (
            bool(self._configuration.get("enable"))
            and deployment is self._deployments[0]
            and deployment.rollout_state == "IN_PROGRESS"
            and deployment.failed_tasks >= threshold
        )
