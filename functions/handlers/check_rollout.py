"""Task state CheckRollout."""

from typing import Any

from regrant.aws.clients import client
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.verify.rollout import check_rollout

services = EcsServices(client("ecs"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    rollout, service = step.state.rollout, step.state.incident.service
    assert rollout and service  # RedeployService ran before
    return encode(check_rollout(rollout, service, services, step.now))
