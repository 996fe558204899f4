"""Task state ConfirmBaseline."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.holds import DynamoHolds
from regrant.aws.journal import DynamoJournal
from regrant.aws.revisions import EcsRevisions
from regrant.aws.roles import IamRoles
from regrant.aws.services import EcsServices
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings
from regrant.undo.restore import confirm_baseline

settings = Settings.from_environment(os.environ)
ecs = client("ecs")
services, revisions = EcsServices(ecs), EcsRevisions(ecs)
roles = IamRoles(client("iam"))
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
holds = DynamoHolds(dynamodb, settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    assert step.state.restore  # RestoreService ran before
    return encode(
        confirm_baseline(
            step.state.incident, step.state.restore, services, roles, revisions, holds, journal, step.now
        )
    )
