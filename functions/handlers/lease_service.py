"""Task state LeaseService."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.journal import DynamoJournal
from regrant.aws.leases import DynamoLeases
from regrant.clock import encode
from regrant.leases import lease_service
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
dynamodb = client("dynamodb")
leases = DynamoLeases(dynamodb, settings.journal_table)
journal = DynamoJournal(dynamodb, settings.journal_table)
executions = StateMachineExecutions(client("stepfunctions"), settings.state_machine)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    leasing = lease_service(step.state, leases, executions, journal, step.now)
    logger.info("leased", verdict=leasing.verdict, holder=leasing.holder)
    return encode(leasing)
