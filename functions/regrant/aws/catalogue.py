"""The catalogue in SSM Parameter Store."""

from __future__ import annotations

from typing import Any

from regrant.aws.clients import aws_errors
from regrant.errors import AwsRefused
from regrant.model.catalogue import PREFIX, Service, parameter_name, parse_service


class ParameterCatalogue:
    """Implements ports.Catalogue."""

    def __init__(self, ssm: Any) -> None:
        self._ssm = ssm

    def entry(self, service: Service) -> str | None:
        """GetParameter; None if there is none. Raises AwsUnavailable, AwsRefused (denied)."""
        try:
            with aws_errors():
                return str(self._ssm.get_parameter(Name=parameter_name(service))["Parameter"]["Value"])
        except AwsRefused as refused:
            if refused.code == "ParameterNotFound":
                return None
            raise

    def entries(self) -> dict[Service, str]:
        """GetParametersByPath: the text of each parameter that is named after a service.

        Raises AwsUnavailable, AwsRefused (denied).
        """
        with aws_errors():
            pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=PREFIX, Recursive=True)
            texts = {p["Name"].removeprefix(PREFIX): p["Value"] for page in pages for p in page["Parameters"]}
        return {service: text for name, text in texts.items() if (service := parse_service(name))}
