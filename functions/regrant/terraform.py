"""The change that a service managed by Terraform needs there, for a person to make."""

from __future__ import annotations


def patch(address: str | None, old_role: str, new_role: str, family: str) -> str:
    """Lines of HCL with - and + before what goes and comes, as `terraform plan` shows it.

    address is the resource's; where the catalogue has none, the family tells which one it is.
    """
    module, _, resource = (address or "").rpartition("aws_ecs_task_definition.")
    name = resource.partition("[")[0] if address else "<the one of this family>"
    where = f"# {module.rstrip('.')}\n" if module else ""
    instance = f"  # {address}\n" if resource.endswith("]") else ""
    return (
        f'{where}resource "aws_ecs_task_definition" "{name}" {{\n'
        f"{instance}"
        f'    family        = "{family}"\n'
        f'-   task_role_arn = "{old_role}"\n'
        f'+   task_role_arn = "{new_role}"\n'
        "}"
    )
