"""A Terraform plan as `terraform show -json FILE` writes it.

Source: Terraform documentation, JSON Output Format, version 1 (Plan, Values and Configuration
Representation). An argument is among a resource's `expressions` only if the HCL has it. A plan holds secrets
as a state does; see regrant.terraform.state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from regrant.terraform.ownership import (
    OF_A_POLICY,
    ROLE,
    ROLE_BY_CLOUD_CONTROL,
    TYPES,
    Attributes,
    Resource,
    address_of,
    as_shown,
)
from regrant.terraform.state import WRONG, Unreadable

# What follows the parent's address in a child module's. A key in brackets may hold anything.
_CALL = re.compile(r"\.?module\.([\w-]+)(\[.*\])?", re.DOTALL)
# Of an expression's references: what is often null, so that the argument counts as not written.
_MAY_BE_NULL = ("var.", "local.", "each.")


class _Expression(msgspec.Struct):
    references: tuple[str, ...] = ()
    constant_value: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def writes(self) -> bool | None:
        """Whether it gives a value; None if that may be null. A list of resources' ARNs is a value."""
        if not self.references:
            return bytes(self.constant_value) != b"null"
        return None if all(name.startswith(_MAY_BE_NULL) for name in self.references) else True


class _Expressions(msgspec.Struct):
    managed_policy_arns: _Expression | None = None


class _Written(msgspec.Struct):
    mode: str
    type: str
    name: str
    expressions: msgspec.Raw = msgspec.Raw(b"{}")


class _Called(msgspec.Struct):
    module: _Module


class _Module(msgspec.Struct):
    resources: tuple[_Written, ...] = ()
    module_calls: dict[str, _Called] = {}


class _Configuration(msgspec.Struct):
    root_module: _Module


class _Planned(msgspec.Struct):
    mode: str
    type: str
    name: str
    index: int | str | None = None
    values: msgspec.Raw = msgspec.Raw(b"{}")


class _Values(msgspec.Struct):
    address: str = ""
    resources: tuple[_Planned, ...] = ()
    child_modules: tuple[_Values, ...] = ()


class _PlannedValues(msgspec.Struct):
    root_module: _Values


class _Change(msgspec.Struct):
    actions: tuple[str, ...] = ()
    before: msgspec.Raw = msgspec.Raw(b"{}")


class _Changed(msgspec.Struct):
    address: str
    type: str
    change: _Change


class _Plan(msgspec.Struct):
    format_version: str
    planned_values: _PlannedValues
    configuration: _Configuration
    resource_changes: tuple[_Changed, ...] = ()


_plan = msgspec.json.Decoder(_Plan)
_attributes = msgspec.json.Decoder(Attributes)
_expressions = msgspec.json.Decoder(_Expressions)


def resources_of(text: bytes) -> tuple[Resource, ...]:
    """Those of the plan that may have to do with a role's policies, as they are after it. Raises
    Unreadable."""
    try:
        plan = _plan.decode(text)
        if plan.format_version.startswith("1."):
            planned = _resources(plan.planned_values.root_module, plan.configuration.root_module)
            return (*planned, *_destroyed(plan.resource_changes))
    except WRONG:
        pass
    raise Unreadable("is not a Terraform plan as terraform show -json writes it")


def _resources(values: _Values, written: _Module) -> Iterator[Resource]:
    for each in values.resources:
        if each.mode == "managed" and each.type in TYPES:
            address = address_of(values.address, each.type, each.name, each.index)
            yield Resource(each.type, address, _attributes.decode(each.values), _owns(each, written))
    for child in values.child_modules:
        call = _CALL.fullmatch(child.address.removeprefix(values.address))
        called = written.module_calls.get(call[1]) if call else None
        yield from _resources(child, called.module if called else _Module())


def _destroyed(changes: tuple[_Changed, ...]) -> Iterator[Resource]:
    """What detaches its policy when it is destroyed."""
    for each in changes:
        if each.type == OF_A_POLICY and each.change.actions == ("delete",):
            attributes = _attributes.decode(each.change.before)
            yield Resource(each.type, as_shown(each.address), attributes, owns=True, deposed=True)


def _owns(planned: _Planned, written: _Module) -> bool | None:
    """Whether the HCL has the list: of a role, a value for managed_policy_arns. None if that cannot be
    seen."""
    if planned.type != ROLE:
        return None if planned.type == ROLE_BY_CLOUD_CONTROL else True
    for each in written.resources:
        if (each.mode, each.type, each.name) == ("managed", planned.type, planned.name):
            expression = _expressions.decode(each.expressions).managed_policy_arns
            return False if expression is None else expression.writes
    return None
