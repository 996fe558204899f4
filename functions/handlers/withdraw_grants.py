"""Task state WithdrawGrants."""

import os
from typing import Any

from regrant.aws.catalogue import ParameterCatalogue
from regrant.aws.clients import RareClient, client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.leases import DynamoLeases
from regrant.aws.roles import IamRoles
from regrant.aws.schedules import EventBridgeSchedules
from regrant.aws.services import EcsServices
from regrant.change.withdraw import withdraw_grants
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
# ECS is asked about others who share the role, Step Functions about another run that has it.
catalogue, services = ParameterCatalogue(client("ssm")), EcsServices(RareClient("ecs"))
dynamodb, roles = client("dynamodb"), IamRoles(client("iam"))
journal = DynamoJournal(dynamodb, settings.journal_table)
holds = DynamoHolds(dynamodb, settings.journal_table)
leases = DynamoLeases(dynamodb, settings.journal_table)
executions = StateMachineExecutions(RareClient("stepfunctions"), settings.state_machine)
schedules = EventBridgeSchedules.of(client("scheduler"), settings)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    withdrawal = withdraw_grants(
        step.state,
        catalogue,
        services,
        settings,
        roles,
        holds,
        journal,
        schedules,
        leases,
        executions,
        step.now,
    )
    logger.info("withdrew", removed=withdrawal.removed, stays=encode(withdrawal.stays))
    return encode(withdrawal)
