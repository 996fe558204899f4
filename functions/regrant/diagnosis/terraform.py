"""The change that a service managed by Terraform needs there, for a person to make."""

from __future__ import annotations

import re

# A key in brackets may hold anything, also what looks like a resource.
_MODULE = r'module\.[\w-]+(\[[^]"]*\]|\["[^"]*"\])?'
_RESOURCE = re.compile(
    rf"((?P<module>{_MODULE}(\.{_MODULE})*)\.)?"
    r"aws_ecs_task_definition\.(?P<name>[\w-]+)(?P<index>\[.*\])?"
)


def patch(address: str | None, old_role: str, new_role: str, family: str) -> str:
    """Lines of HCL with - and + before what goes and comes, as `terraform plan` shows it.

    address is the resource's; where the catalogue has none, the family identifies it.
    """
    found = _RESOURCE.fullmatch(address or "")
    name = found["name"] if found else "<the one of this family>"
    where = f"# {found['module']}\n" if found and found["module"] else ""
    instance = f"  # {address}\n" if found and found["index"] else ""
    return (
        f'{where}resource "aws_ecs_task_definition" "{name}" {{\n'
        f"{instance}"
        f'    family        = "{family}"\n'
        f'-   task_role_arn = "{old_role}"\n'
        f'+   task_role_arn = "{new_role}"\n'
        "}"
    )
