"""Task state LeaseRole."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.leases import DynamoLeases
from regrant.clock import encode
from regrant.leases import lease_role
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
leases = DynamoLeases(client("dynamodb"), settings.journal_table)
executions = StateMachineExecutions(client("stepfunctions"), settings.state_machine)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    leasing = lease_role(step.state, leases, executions, step.now)
    logger.info("leased", verdict=leasing.verdict, holder=leasing.holder)
    return encode(leasing)
