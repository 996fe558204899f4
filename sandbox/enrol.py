"""`make enrol`: enrol a service of the account that `make serve` serves, with enrol/service.yaml.

python -m sandbox.enrol Cluster=... Service=... TaskRoleArn=..., as `aws cloudformation deploy` takes them
(docs/operations.md, Enrol a service). A second time, it replaces what is there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.cloudformation.template import TemplateError, deploy
from sandbox.iam.requests import ACCOUNT, REGION

TEMPLATE = Path(__file__).resolve().parents[1] / "enrol" / "service.yaml"


class Served:
    """The served account, as far as a stack needs it: its administrator's clients."""

    account_id, region = ACCOUNT, REGION

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url

    def client(self, service: str) -> Any:
        """Never with the credentials or the endpoint of whoever calls it: this is not for AWS."""
        return botocore.session.Session().create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.enrol", description="Enrol a service.")
    parser.add_argument(
        "--endpoint", default="http://127.0.0.1:4599", help="what make serve says after ready"
    )
    parser.add_argument("parameters", nargs="*", metavar="KEY=VALUE", help="of enrol/service.yaml")
    options = parser.parse_args(arguments)
    if not options.parameters:
        return _fail(
            "name the service, with the parameters of enrol/service.yaml:"
            " make enrol WITH='Cluster=... Service=...' (docs/operations.md, Enrol a service)"
        )
    parameters = dict(pair.partition("=")[::2] for pair in options.parameters)
    if (urlsplit(options.endpoint).hostname or "").endswith(
        (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
    ):
        return _fail("this is for the local account; at AWS, use aws cloudformation deploy")
    print(f"enrolling at {options.endpoint}", flush=True)
    try:
        outputs = enrol(Served(options.endpoint), parameters)
    except (TemplateError, ClientError) as error:
        return _fail(str(error))
    except BotoCoreError as error:
        return _fail(f"{error} Is make serve running?")
    for key, value in outputs.items():
        print(f"{key:20} {value}")
    return 0


def enrol(account: Served, parameters: dict[str, str]) -> dict[str, str]:
    """The stack's outputs. Raises TemplateError, ClientError, BotoCoreError."""
    stack = f"regrant-{parameters.get('Service')}"
    try:
        return deploy(account, TEMPLATE, parameters, stack)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterAlreadyExists":
            raise
    # A stack is only created here. Its other parts replace what is there.
    entry = (
        f"/{parameters.get('Runbook', 'regrant')}/services/{parameters['Cluster']}/{parameters['Service']}"
    )
    account.client("ssm").delete_parameter(Name=entry)
    return deploy(account, TEMPLATE, parameters, stack)


def _fail(why: str) -> int:
    print(f"not enrolled: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
