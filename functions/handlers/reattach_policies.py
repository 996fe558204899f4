"""Task state ReattachPolicies."""

import os
from typing import Any

from regrant.aws.clients import RareClient, client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.leases import DynamoLeases
from regrant.aws.roles import IamRoles
from regrant.aws.schedules import EventBridgeSchedules
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings
from regrant.undo.reattach import reattach_policies

settings = Settings.from_environment(os.environ)
# Most runs that come here withdrew nothing, so that the journal is all they read.
dynamodb, roles = client("dynamodb"), IamRoles(RareClient("iam"))
journal = DynamoJournal(dynamodb, settings.journal_table)
holds = DynamoHolds(dynamodb, settings.journal_table)
leases = DynamoLeases(dynamodb, settings.journal_table)
executions = StateMachineExecutions(RareClient("stepfunctions"), settings.state_machine)
schedules = EventBridgeSchedules.of(RareClient("scheduler"), settings)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    reattachment = reattach_policies(
        step.state, roles, holds, journal, schedules, leases, executions, step.now
    )
    logger.info("reattached", verdict=reattachment.verdict, policies=reattachment.attached)
    return encode(reattachment)
