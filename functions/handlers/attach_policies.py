"""Task state AttachPolicies."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.journal import DynamoJournal
from regrant.aws.roles import IamRoles
from regrant.containment import attach_policies
from regrant.observability import logger, read_step
from regrant.settings import Settings
from regrant.wire import encode

settings = Settings.from_environment(os.environ)
roles = IamRoles(client("iam"))
journal = DynamoJournal(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    diagnosis = step.state.diagnosis
    assert diagnosis and diagnosis.plan  # Decide sends only plans here
    grant = attach_policies(step.state.incident, diagnosis.plan, roles, journal, step.now)
    logger.info("attached", role=grant.role, policies=grant.attached)
    return encode(grant)
