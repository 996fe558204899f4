"""Task state RegisterRevision."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.journal import DynamoJournal
from regrant.aws.leases import DynamoLeases
from regrant.aws.revisions import EcsRevisions
from regrant.change.redeploy import register_revision
from regrant.clock import encode
from regrant.leases import release_role
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
revisions = EcsRevisions(client("ecs"), client("ecs", retry=False))
dynamodb = client("dynamodb")
journal = DynamoJournal(dynamodb, settings.journal_table)
leases = DynamoLeases(dynamodb, settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    incident, diagnosis = step.state.incident, step.state.diagnosis
    assert diagnosis and diagnosis.plan  # DecideChange sends only plans here
    release_role(diagnosis.plan.role, incident.id, leases, step.now)
    revision = register_revision(incident, diagnosis.plan, revisions, journal, step.now)
    logger.info("registered", revision=revision.task_definition)
    return encode(revision)
