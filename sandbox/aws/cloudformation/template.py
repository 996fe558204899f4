"""AWS CloudFormation with the SAM transform: a template becomes resources of this account.

The transform is AWS's own (aws-sam-translator). Resources are created in the order in which they refer to one
another (CloudFormation User Guide, "DependsOn attribute" and "Intrinsic function reference"); an unknown
resource type, function or parameter is an error that names it. A stack is created once: there is no update
and no delete.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from sandbox.aws.cloudformation.creation import Account, Context, Created
from sandbox.aws.cloudformation.resources import CREATORS
from sandbox.iam.requests import ACCOUNT, REGION

_NO_VALUE = object()
_LOCAL = "local-files"
"""Stands for the bucket that `sam deploy` would upload code and definitions to."""


class TemplateError(Exception):
    """The template cannot be deployed here. The text names what is wrong."""


def deploy(
    core: Account,
    path: Path,
    parameters: Mapping[str, str],
    stack: str,
    use_code: Callable[[str, Path], None] | None = None,
) -> dict[str, str]:
    """Create the template's resources. Returns the stack's outputs. `use_code` as in Context; without it, the
    template may have no function."""
    use_code = use_code or _no_code
    template = json.loads(_transformed(path.read_text()))
    return Stack(core, template, path.parent, parameters, stack, use_code).create()


def defaults(path: Path) -> dict[str, str]:
    """The defaults of the template's parameters, of those that have one."""
    declared = json.loads(_transformed(path.read_text())).get("Parameters", {})
    return {name: str(each["Default"]) for name, each in declared.items() if "Default" in each}


def _no_code(function: str, folder: Path) -> None:
    raise TemplateError(f"{function} is a function, which a served account takes from nobody")


class Stack:
    def __init__(
        self,
        core: Account,
        template: Mapping[str, Any],
        folder: Path,
        parameters: Mapping[str, str],
        name: str,
        use_code: Callable[[str, Path], None],
    ) -> None:
        self._context = Context(core, self.physical_name, self.file, use_code)
        self.folder = folder.resolve()
        self.name = name
        self._resources = template["Resources"]
        self._outputs = template.get("Outputs", {})
        self._mappings = template.get("Mappings", {})
        self._conditions = template.get("Conditions", {})
        self._parameters = _values(template.get("Parameters", {}), parameters) | {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": name,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/local",
            "AWS::NoValue": _NO_VALUE,
        }
        self._created: dict[str, Created] = {}
        self._creating: list[str] = []

    def create(self) -> dict[str, str]:
        for logical_id, resource in self._resources.items():
            if self._wanted(resource):
                self._create(logical_id)
        wanted = {name: output for name, output in self._outputs.items() if self._wanted(output)}
        return {name: str(self.resolve(output["Value"])) for name, output in wanted.items()}

    def physical_name(self, logical_id: str) -> str:
        """As CloudFormation makes up a name; the same in each run."""
        suffix = sha256(f"{self.name} {logical_id}".encode()).hexdigest()[:12].upper()
        return f"{self.name}-{logical_id}-{suffix}"

    def file(self, bucket: str, key: str) -> Path:
        """The local file or folder that stands for an uploaded object."""
        if bucket != _LOCAL:
            raise TemplateError(f"s3://{bucket}/{key} is not a local file")
        return self.folder / key

    def _wanted(self, item: Mapping[str, Any]) -> bool:
        return "Condition" not in item or self._condition(item["Condition"])

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self._conditions[name]))

    def _create(self, logical_id: str) -> Created:
        if logical_id in self._created:
            return self._created[logical_id]
        if logical_id in self._creating:
            raise TemplateError("Circular dependency: " + " -> ".join([*self._creating, logical_id]))
        resource = self._resources[logical_id]
        create = CREATORS.get(resource["Type"])
        if create is None:
            raise TemplateError(f"{logical_id}: the local account has no {resource['Type']}")
        self._creating.append(logical_id)
        needed = resource.get("DependsOn", [])
        for other in [needed] if isinstance(needed, str) else needed:
            if self._wanted(self._resources[other]):
                self._create(other)
        properties = self.resolve(resource.get("Properties", {}))
        created = create(self._context, logical_id, properties)
        self._creating.pop()
        self._created[logical_id] = created
        return created

    # Intrinsic functions

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not _NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            ((key, argument),) = value.items()
            if key in ("Ref", "Condition") and isinstance(argument, str):
                return self._ref(argument) if key == "Ref" else self._condition(argument)
            if key.startswith("Fn::"):
                function: Callable[[Any], Any] | None = getattr(self, "_" + key[4:].lower(), None)
                if function is None:
                    raise TemplateError(f"{key} is not known here")
                return function(argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        if name in self._resources:
            return self._create(name).ref
        raise TemplateError(f"Ref to {name}, which is neither a parameter nor a resource")

    def _getatt(self, argument: Any) -> Any:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        attributes = self._create(logical_id).attributes
        if attribute not in attributes:
            raise TemplateError(f"{logical_id} has no attribute {attribute} here")
        return attributes[attribute]

    def _sub(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.resolve(value) for name, value in own.items()}

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            found = values[name] if name in values else self._getatt(name) if "." in name else self._ref(name)
            return ",".join(found) if isinstance(found, list) else str(found)

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _join(self, argument: Any) -> str:
        separator, items = argument
        return str(separator).join(map(str, self.resolve(items)))

    def _split(self, argument: Any) -> list[str]:
        separator, text = argument
        return str(self.resolve(text)).split(separator)

    def _select(self, argument: Any) -> Any:
        index, items = argument
        return self.resolve(items)[int(self.resolve(index))]

    def _if(self, argument: Any) -> Any:
        condition, yes, no = argument
        return self.resolve(yes if self._condition(condition) else no)

    def _equals(self, argument: Any) -> bool:
        one, other = self.resolve(argument)
        return str(one) == str(other)

    def _not(self, argument: Any) -> bool:
        return not self.resolve(argument[0])

    def _and(self, argument: Any) -> bool:
        return all(self.resolve(argument))

    def _or(self, argument: Any) -> bool:
        return any(self.resolve(argument))

    def _findinmap(self, argument: Any) -> Any:
        name, first, second = self.resolve(argument)
        return self.resolve(self._mappings[name][first][second])


def _values(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters, checked as CloudFormation checks them."""
    if unknown := given.keys() - declared.keys():
        raise TemplateError(f"Parameters that the template does not have: {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        text = given.get(name, parameter.get("Default"))
        if text is None:
            raise TemplateError(f"Parameter {name} has no value")
        listed = str(parameter["Type"]) == "CommaDelimitedList" or str(parameter["Type"]).startswith("List<")
        values[name] = [item.strip() for item in str(text).split(",")] if listed else str(text)
        pattern = parameter.get("AllowedPattern")
        for item in values[name] if listed else [values[name]]:
            if pattern and not re.fullmatch(pattern, item):
                reason = parameter.get("ConstraintDescription", f"must match {pattern}")
                raise TemplateError(f"Parameter {name} does not allow {item!r}: {reason}")
            if "AllowedValues" in parameter and item not in map(str, parameter["AllowedValues"]):
                allowed = ", ".join(str(value) or "(nothing)" for value in parameter["AllowedValues"])
                raise TemplateError(f"Parameter {name} does not allow {item!r}: one of {allowed}")
            if wrong := _out_of_bounds(item, parameter):
                raise TemplateError(f"Parameter {name} does not allow {item!r}: {wrong}")
    return values


def _out_of_bounds(item: str, parameter: Mapping[str, Any]) -> str | None:
    """What the parameter's type, MinValue and MaxValue, MinLength and MaxLength do not allow (CloudFormation
    User Guide, "Parameters")."""
    if "Number" in str(parameter["Type"]):
        if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", item):
            return "it is not a number"
        size, least, most, unit = float(item), parameter.get("MinValue"), parameter.get("MaxValue"), ""
    else:
        size, unit = float(len(item)), " characters"
        least, most = parameter.get("MinLength"), parameter.get("MaxLength")
    if least is not None and size < float(least):
        return f"at least {least}{unit}"
    if most is not None and size > float(most):
        return f"at most {most}{unit}"
    return None


@lru_cache(maxsize=8)
def _transformed(text: str) -> str:
    """The template after the SAM transform, as JSON."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(text)
    if template.get("Transform") != "AWS::Serverless-2016-10-31":
        return json.dumps(template)
    places = [template.get("Globals", {}).get("Function", {})]
    places += [resource.get("Properties", {}) for resource in template["Resources"].values()]
    for place in places:
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if isinstance(place.get(name), str):
                place[name] = f"s3://{_LOCAL}/{os.path.normpath(place[name])}"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    return json.dumps(translator.translate(template, {"AWS::Region": REGION}))
