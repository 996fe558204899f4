"""Not a step of a run: a rule invokes it every hour, and `make audit` when a person wants to look."""

import os
from typing import Any

from regrant.audit import AuditEvent, audit_grants
from regrant.aws.clients import RareClient, client
from regrant.aws.executions import StateMachineExecutions
from regrant.aws.holds import DynamoHolds
from regrant.aws.roles import IamRoles
from regrant.aws.topic import SnsTopic
from regrant.clock import decode, encode
from regrant.observability import logger
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
roles = IamRoles(client("iam"))
holds = DynamoHolds(client("dynamodb"), settings.journal_table)
# Most of the time there is nothing to start and nobody to tell.
runs = StateMachineExecutions(RareClient("stepfunctions"), settings.state_machine)
topic = SnsTopic(RareClient("sns"), settings.topic)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    audit = audit_grants(decode(event, AuditEvent), settings, roles, holds, runs, topic)
    for grant in audit.grants:
        logger.info("grant", grant=encode(grant))
    logger.info("audited", not_by_us=audit.not_by_us, expiries=encode(audit.expiries))
    return encode(audit)
