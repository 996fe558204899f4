"""AWS Lambda's layer versions: by ARN, and with a place from which the archive can be had.

API reference, GetLayerVersionByArn: Content.Location is "a link to the layer archive in Amazon S3 that is
valid for 10 minutes". Here it is a path of the served account that nobody can guess. In an account that is
not served it leads nowhere.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from moto.awslambda.models import LayerVersion, lambda_backends
from moto.awslambda.responses import LambdaResponse

from sandbox.engine.clock import START
from sandbox.engine.core import Core
from sandbox.engine.errors import AwsError
from sandbox.iam.requests import ACCOUNT, REGION

PATH = "/lambda-layers/"
VALID = timedelta(minutes=10)
_ARN = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:layer:[\w-]+:\d+")


class Layers:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._links: dict[str, tuple[bytes, datetime]] = {}

    def link(self, layer: LayerVersion) -> str:
        name = secrets.token_urlsafe(24)
        self._links[name] = (layer.code_bytes, self._core.clock.now() + VALID)
        place = self._core.endpoint_url or f"https://awslambda-{REGION}-layers.s3.{REGION}.amazonaws.com"
        return f"{place}{PATH}{name}"

    def serve(self, application: Any) -> Any:
        """The WSGI application, with the links in it."""

        def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if not path.startswith(PATH):
                return application(environ, start_response)  # type: ignore[no-any-return]
            code, until = self._links.get(path.removeprefix(PATH), (b"", START))
            if self._core.clock.now() > until or not code:
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return [b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"]
            start_response(
                "200 OK", [("Content-Type", "application/zip"), ("Content-Length", str(len(code)))]
            )
            return [code]

        return answer


def install(core: Core) -> Layers:
    layers = Layers(core)
    shown = LayerVersion.get_layer_version

    def get_layer_version(self: LayerVersion) -> dict[str, Any]:
        answer: dict[str, Any] = shown(self)
        content = answer["Content"] | {"Location": layers.link(self)}
        return answer | {"Content": content}

    def get_layer_version_by_arn(self: LambdaResponse) -> str:
        arn = self._get_param("Arn")
        version = (
            lambda_backends[ACCOUNT][REGION].layers_versions_by_arn(arn) if _ARN.fullmatch(arn) else None
        )
        if version is not None:
            return json.dumps(version.get_layer_version())
        raise AwsError("ResourceNotFoundException", 404, "The resource you requested does not exist.")

    core.patch(LayerVersion, "get_layer_version", get_layer_version)
    core.patch(LambdaResponse, "get_layer_version_by_arn", get_layer_version_by_arn, new=True)
    return layers
