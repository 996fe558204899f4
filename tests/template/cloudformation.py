"""Reads a template and works out its intrinsic functions, as far as the two templates here use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "regrant",
}

NOTHING = object()
"""What !Ref AWS::NoValue stands for."""

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with the short forms: !Ref X is {"Ref": "X"}, !Sub X is {"Fn::Sub": "X"}."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise TypeError(f"!{suffix} of a mapping")
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load(path: str) -> Template:
    template: Template = yaml.load((ROOT / path).read_text(), _Loader)
    return template


def translate(source: Template) -> Template:
    """The CloudFormation that AWS makes of a SAM template (with code and definition already uploaded)."""
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://bucket/definition"
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://bucket/layer"
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/code"
    result: Template = Translator(
        {}, Parser(), boto_session=boto3.Session(region_name="us-east-1")
    ).translate(source, {})
    return result


OPTIONAL = "EnablesHandover"
"""The condition of everything that only a stack with handovers has."""


def without_handovers(template: Template) -> Template:
    """The template as a stack has it whose owner wants no handovers."""
    kept = {
        part: {name: each for name, each in template[part].items() if each.get("Condition") != OPTIONAL}
        for part in ("Resources", "Outputs")
    }
    return template | kept


class Values:
    """What parameters (and resources, by `X` or `X.Attribute`) stand for, and how conditions come out."""

    def __init__(self, template: Template, **given: str | list[str]) -> None:
        declared = template.get("Parameters", {})
        defaults = {name: each["Default"] for name, each in declared.items() if "Default" in each}
        self.names: dict[str, Any] = {**PSEUDO, "AWS::NoValue": NOTHING, **defaults, **given}
        self.conditions = {name: self(each) for name, each in template.get("Conditions", {}).items()}

    def __call__(self, value: Any) -> Any:
        """`value` with every intrinsic function worked out."""
        if isinstance(value, list):
            return [each for each in map(self, value) if each is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            return {key: self(each) for key, each in value.items()}
        ((name, argument),) = value.items()
        return self._apply(name, argument)

    def _apply(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self.names[argument]
            case "Fn::GetAtt":
                return self.names[".".join(argument)]
            case "Fn::Sub":
                text, local = argument if isinstance(argument, list) else (argument, {})
                names = self.names | self(local)
                return re.sub(r"\$\{([^}]+)\}", lambda found: str(names[found[1]]), text)
            case "Fn::Join":
                return str(argument[0]).join(self(argument[1]))
            case "Fn::Split":
                return self(argument[1]).split(argument[0])
            case "Fn::Select":
                return self(argument[1])[int(argument[0])]
            case "Fn::If":
                return self(argument[1] if self.conditions[argument[0]] else argument[2])
            case "Fn::Not":
                return not self(argument[0])
            case "Fn::Equals":
                return self(argument[0]) == self(argument[1])
        return {name: self(argument)}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def roles(stack: Template) -> dict[str, Any]:
    return {
        name: each["Properties"]
        for name, each in stack["Resources"].items()
        if each["Type"] == "AWS::IAM::Role"
    }


def statements(stack: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role, those of the stack's managed policies too, with the step's name or the
    role's."""
    for name, role in roles(stack).items():
        documents = [policy["PolicyDocument"] for policy in role.get("Policies", [])]
        documents += [each["Properties"]["PolicyDocument"] for each in attached(stack, role).values()]
        for document in documents:
            for statement in document["Statement"]:
                yield name.removesuffix("FunctionRole"), statement


def attached(stack: Template, role: dict[str, Any]) -> dict[str, Any]:
    """The managed policies of the stack on the role, with those that are there under a condition."""
    arns = [
        each for each in role.get("ManagedPolicyArns", []) if isinstance(each, dict) and "Fn::Sub" not in each
    ]
    names = [each.get("Fn::If", [None, each])[1]["Ref"] for each in arns]
    return {name: stack["Resources"][name] for name in names}
