"""Task state DeregisterRevision."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.journal import DynamoJournal
from regrant.aws.revisions import EcsRevisions
from regrant.aws.services import EcsServices
from regrant.change.redeploy import deregister_revision
from regrant.clock import encode
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
ecs = client("ecs")
services, revisions = EcsServices(ecs), EcsRevisions(ecs)
journal = DynamoJournal(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    gone = deregister_revision(step.state.incident, revisions, services, journal, step.now)
    logger.info("deregistered", revisions=gone.revisions)
    return encode(gone)
