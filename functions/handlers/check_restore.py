"""Task state CheckRestore."""

from typing import Any

from regrant.aws.clients import client
from regrant.aws.services import EcsServices
from regrant.observability import logger, read_step
from regrant.rollback import check_restore
from regrant.wire import encode

services = EcsServices(client("ecs"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    restore, service = step.state.restore, step.state.incident.service
    assert restore and service  # RestoreService ran before
    return encode(check_restore(restore, service, services, step.now))
