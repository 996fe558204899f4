"""Task state CheckRestore."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.leases import DynamoLeases
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.leases import await_role
from regrant.observability import logger, read_step
from regrant.settings import Settings
from regrant.undo.restore import check_restore

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"))
leases = DynamoLeases(client("dynamodb"), settings.journal_table)
executions = StateMachineExecutions(client("stepfunctions"), settings.state_machine)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    restore, service = step.state.restore, step.state.incident.service
    assert restore and service  # RestoreService ran before
    restore = check_restore(restore, service, services, step.now)
    return encode(await_role(restore, step.state, leases, executions, step.now))
