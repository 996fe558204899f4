"""Task state PageUnopened."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.topic import SnsTopic
from regrant.clock import decode
from regrant.observability import logger
from regrant.report.unopened import UnopenedEvent, page_unopened
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
topic = SnsTopic(client("sns"), settings.topic)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    page_unopened(decode(event, UnopenedEvent), topic)
    logger.info("paged", execution=event["execution"])
    return {}
