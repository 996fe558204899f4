"""What no policy may reach (functions/regrant/barred/stack.py) is called as the template calls it."""

from __future__ import annotations

from regrant.barred.stack import FUNCTIONS, ROLES, Stack
from tests.template.cloudformation import Template, roles

STACK = Stack("STACK", "JOURNAL", "aws", "123456789012", "us-east-1")


def named(stack: Template, kind: str, key: str) -> list[str]:
    """What the names of such resources have after the stack's."""
    found = [each["Properties"][key] for each in stack["Resources"].values() if each["Type"] == kind]
    return sorted(name["Fn::Sub"].replace("${AWS::StackName}", "STACK") for name in found)


def test_the_functions_the_state_machine_and_the_lists_have_these_names(stack: Template) -> None:
    parts = {part.split(":", 5)[5] for _, part in STACK.parts()}
    functions = named(stack, "AWS::Lambda::Function", "FunctionName")
    assert functions == sorted(f"STACK-{name}" for name in FUNCTIONS)
    assert {f"function:{name}" for name in functions} <= parts
    (machine,) = named(stack, "AWS::StepFunctions::StateMachine", "StateMachineName")
    assert f"stateMachine:{machine}" in parts
    for parameter in named(stack, "AWS::SSM::Parameter", "Name"):
        assert f"parameter{parameter.rpartition('/')[0]}/\x00" in parts


def test_the_roles_have_no_names_of_their_own_and_these_logical_ones(stack: Template) -> None:
    """So CloudFormation names them after both; each function's is called after it."""
    found = roles(stack)
    of_functions = {f"{name.title().replace('-', '')}FunctionRole" for name in FUNCTIONS}
    assert {*found} == {*ROLES, *of_functions}
    assert not [name for name, role in found.items() if "RoleName" in role]


def test_diagnose_and_the_audit_know_where_the_parts_are(stack: Template) -> None:
    for name in ("DiagnoseFunction", "AuditGrantsFunction"):
        variables = stack["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert variables["CATALOGUE_PREFIX"] == {"Fn::Sub": "/${AWS::StackName}/services/"}
        assert variables["JOURNAL_TABLE"] == {"Ref": "JournalTable"}
