"""The catalogue in SSM Parameter Store."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.catalogue import Service, parameter_name, parse_service


class ParameterCatalogue:
    """Implements ports.Catalogue. A parameter is named `prefix` (which ends in a slash), then its service."""

    def __init__(self, ssm: Any, prefix: str) -> None:
        self._ssm = ssm
        self._prefix = prefix

    def entry(self, service: Service) -> str | None:
        """GetParameter; None if there is none. Raises AwsUnavailable, AwsRefused (denied)."""
        try:
            with aws_errors():
                return str(
                    self._ssm.get_parameter(Name=parameter_name(self._prefix, service))["Parameter"]["Value"]
                )
        except AwsRefused as refused:
            if refused.code == "ParameterNotFound":
                return None
            raise

    def entries(self) -> dict[Service, str]:
        """GetParametersByPath: the text of each parameter that is named after a service.

        Raises AwsUnavailable, AwsRefused (denied).
        """
        with aws_errors():
            pages = self._ssm.get_paginator("get_parameters_by_path").paginate(
                Path=self._prefix, Recursive=True
            )
            texts = {
                p["Name"].removeprefix(self._prefix): p["Value"] for page in pages for p in page["Parameters"]
            }
        return {service: text for name, text in texts.items() if (service := parse_service(name))}
