"""Task state OpenIncident."""

import os
from typing import Any

from regrant.aws.catalogue import ParameterCatalogue
from regrant.aws.clients import RareClient, client
from regrant.aws.journal import DynamoJournal
from regrant.aws.services import EcsServices
from regrant.clock import decode, encode
from regrant.model.run import OpenEvent
from regrant.observability import logger
from regrant.opening.open import open_incident
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
catalogue = ParameterCatalogue(client("ssm"))
# Only an event of CloudTrail has to be looked up in ECS.
services = EcsServices(RareClient("ecs"))
journal = DynamoJournal(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    opened = open_incident(decode(event, OpenEvent), catalogue, services, journal, settings)
    logger.info(
        "opened", incident=opened.id, mode=opened.mode, trigger=opened.trigger, refusal=opened.refusal
    )
    return {"incident": encode(opened)}
