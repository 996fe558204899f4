"""Whether two task definitions say the same, although one is as ECS shows it and one as the HCL has it.

A replacement is planned from the HCL alone, so what ECS fills in (empty lists, the host's port) is absent
there. The provider compares so before it decides that a definition has to be replaced
(hashicorp/terraform-provider-aws, internal/service/ecs/container_definitions.go). The defaults:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from regrant_terraform.plans.plan import same

HEALTH_CHECK = {"interval": 30, "retries": 3, "timeout": 5}


def equal(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a task definition's attribute says the same; left out is the same as empty."""
    one, other = before.get(name), after.get(name)
    if name != "container_definitions":
        return same(None if _empty(one) else one, None if _empty(other) else other)
    awsvpc = before.get("network_mode") == "awsvpc"
    try:
        return same(_containers(one, awsvpc), _containers(other, awsvpc))
    except (ValueError, TypeError, AttributeError):
        return same(one, other)


def _containers(text: object, awsvpc: bool) -> list[dict[str, Any]]:
    containers = [_container(each, awsvpc) for each in json.loads(str(text))]
    return sorted(containers, key=lambda each: str(each.get("name")))


def _container(given: Mapping[str, Any], awsvpc: bool) -> dict[str, Any]:
    container: dict[str, Any] = dict(_full(given))
    container.setdefault("essential", True)
    if container.get("cpu") == 0:
        del container["cpu"]
    for name in ("environment", "secrets"):
        if name in container:
            container[name] = sorted(container[name], key=lambda each: str(each.get("name")))
    if "healthCheck" in container:
        container["healthCheck"] = HEALTH_CHECK | container["healthCheck"]
    if "portMappings" in container:
        container["portMappings"] = [_port(each, awsvpc) for each in container["portMappings"]]
    return container


def _port(given: Mapping[str, Any], awsvpc: bool) -> dict[str, Any]:
    port = {"protocol": "tcp", **given}
    if not port.get("hostPort"):
        port.pop("hostPort", None)
        if awsvpc and "containerPort" in port:
            port["hostPort"] = port["containerPort"]
    return port


def _full(value: Any) -> Any:
    """Without the members that are empty. A list keeps its items: an empty word of a command is one."""
    if isinstance(value, Mapping):
        inside = {name: _full(each) for name, each in value.items()}
        return {name: each for name, each in inside.items() if not _empty(each)}
    return [_full(each) for each in value] if isinstance(value, list) else value


def _empty(value: object) -> bool:
    """False and 0 are values."""
    return value is None or (isinstance(value, str | list | dict) and not value)
