"""Task state ConfirmAccess."""

import os
from typing import Any

from regrant.aws.clients import client
from regrant.aws.leases import DynamoLeases
from regrant.aws.roles import IamRoles
from regrant.change.attach import confirm_access
from regrant.clock import encode
from regrant.leases import release_role
from regrant.observability import logger, read_step
from regrant.settings import Settings

settings = Settings.from_environment(os.environ)
roles = IamRoles(client("iam"))
leases = DynamoLeases(client("dynamodb"), settings.journal_table)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    step = read_step(event)
    assert step.state.grant  # AttachPolicies ran before
    access = confirm_access(step.state.grant, roles, step.now)
    release_role(step.state.grant.role, step.state.incident.id, leases, step.now)
    return encode(access)
