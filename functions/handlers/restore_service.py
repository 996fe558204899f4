"""Task state RestoreService."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.journal import DynamoJournal
from regrant.aws.leases import DynamoLeases
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.leases import await_role
from regrant.observability import logger, read_step
from regrant.settings import Settings
from regrant.undo.restore import restore_service

settings = Settings.from_environment(os.environ)
services = EcsServices(client("ecs"), client("ecs", retry=False))
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
leases = DynamoLeases(dynamodb, settings.journal_table)
executions = StateMachineExecutions(client("stepfunctions"), settings.state_machine)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    restore = restore_service(step.state.incident, services, journal, step.now)
    return encode(await_role(restore, step.state, leases, executions, step.now))
