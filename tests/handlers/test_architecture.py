"""What may import what, and where the rules stand that keep every change undoable."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
FILES = sorted(path.relative_to(FUNCTIONS) for path in FUNCTIONS.rglob("*.py"))
HANDLERS = [path for path in FILES if path.parts[0] == "handlers" and path.stem != "__init__"]
ADAPTERS = [path for path in FILES if path.parts[:2] == ("regrant", "aws")]
DOMAIN = [path for path in FILES if path.parts[0] == "regrant" and path not in ADAPTERS]

# A package imports from the floors below its own only. What is only named for the type checker counts, too.
FLOORS = (
    ("handlers",),  # one a Task state
    ("metrics",),
    ("step",),  # decode, do one domain step, encode
    ("aws",),  # the adapters, and the one place where they are put together
    ("audit",),  # what the stages have left
    ("handover",),  # the other state machine, whose steps start runs of the first
    ("undo", "diagnosis", "change", "report"),  # the stages of a run
    ("baseline", "verify", "opening"),
    ("in_use", "barred"),
    ("denials", "grants", "approval", "terraform"),
    ("refusals", "origin"),  # where a step's event comes from
    ("journal",),
    ("leases",),
    ("ports",),  # what the domain needs from outside
    ("stored",),  # and what of that the journal's table holds
    ("iam", "settings"),
    ("model",),  # what travels
    ("expiry_window",),
    ("errors", "clock", "parallel", "visible"),
)
# The adapters implement the ports, so they know nothing of what a run does with them.
KNOWN_TO_ADAPTERS = {"ports", "stored", "iam", "settings", "model", "errors", "clock", "parallel", "visible"}

# What a step does by its state alone, it does for whoever may invoke its function. These ask Step Functions
# whether the run itself has sent the event; AttachPolicies and RedeployService find their changes planned by
# CaptureBaseline, and the others change nothing by it but a service's lease.
ASK = {
    *("ask_approval", "capture_baseline", "withdraw_grants", "undo_role", "undo_service"),
    *("close_incident", "page_operator"),
} | {path.stem for path in HANDLERS if path.parts[1] == "handover"}

OWN_CLOCK = Path("regrant/origin/own_clock.py")

# Which part of the domain alone calls which method, on whatever object. The rule "intend, act, record" stands
# in journal.py; that a grant's hold and the schedule of its end are one thing, in grants.py.
ONLY_IN = {
    "intend": {"journal"},
    "record": {"journal"},
    "mark": {"audit", "grants", "report"},
    "record_and_release": {"journal"},
    "intend_grant": {"journal"},
    "plan": {"baseline"},
    "waits_for": {"origin"},
    "carry_out_grant": {"grants"},
    "attach": {"change", "undo"},
    "detach": {"grants", "undo"},  # undo: its own step of that name
    "take_off": {"change", "undo"},
    "deploy": {"change", "undo", "handover"},
    "redeploy": {"change", "undo"},
    "register": {"change"},
    "deregister": {"undo"},
    "write": {"grants"},
    "put": {"grants", "handover"},  # a schedule; and a text for a build
    "cancel": {"grants", "parallel"},  # schedules; and calls that no thread has begun
    "take": {"leases"},
    "release": {"leases"},
}


def tree(path: Path) -> ast.Module:
    return ast.parse((FUNCTIONS / path).read_text())


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in the file, by its whole name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            yield from sorted(inside) or [node.module]


def module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path) for path in FILES}


def package(name: str) -> str:
    """`undo` of `regrant.undo.role`, `leases` of `regrant.leases`, `handlers` of `handlers.diagnose`."""
    return name.split(".")[1] if name.startswith("regrant.") else name.split(".")[0]


def imported(path: Path) -> set[str]:
    """The other packages of ours that the file imports."""
    ours = {package(name) for name in imports(path) if name.split(".")[0] in ("regrant", "handlers")}
    return ours - {package(module(path))}


def importing(paths: list[Path], *packages: str) -> list[str]:
    return [
        f"{path} imports {name}" for path in paths for name in imports(path) if name.split(".")[0] in packages
    ]


def called(path: Path) -> set[str]:
    """The last name of each call: `now` for datetime.now()."""
    calls = (node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call))
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}


def floor(name: str) -> int:
    return next(number for number, packages in enumerate(FLOORS) if name in packages)


def test_there_is_something_to_look_at() -> None:
    assert (len(HANDLERS), "botocore.session" in set(imports(Path("regrant/aws/clients.py")))) == (28, True)


def test_every_package_has_its_floor() -> None:
    packages = {package(module(path)) for path in FILES} - {"regrant"}
    assert sorted(packages) == sorted(name for names in FLOORS for name in names)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_package_imports_from_the_floors_below_it_only(path: Path) -> None:
    own = package(module(path))
    assert [name for name in imported(path) if floor(name) <= floor(own)] == []


@pytest.mark.parametrize("path", ADAPTERS, ids=str)
def test_an_adapter_knows_the_ports_and_what_they_speak_of(path: Path) -> None:
    assert imported(path) <= KNOWN_TO_ADAPTERS


def test_no_two_files_import_each_other() -> None:
    graph = TopologicalSorter({module(path): {*imports(path)} & MODULES for path in FILES})
    graph.prepare()  # raises CycleError with the circle


def test_no_handler_imports_another() -> None:
    assert importing(HANDLERS, "handlers") == []


def test_only_the_adapters_import_boto3() -> None:
    assert importing(HANDLERS + DOMAIN, "boto3", "botocore") == []


def test_nothing_that_deploys_knows_the_local_account() -> None:
    assert importing(FILES, "sandbox", "moto", "tests") == []


@pytest.mark.parametrize("method", ONLY_IN)
def test_what_makes_a_change_undoable_is_written_in_one_place(method: str) -> None:
    assert {package(module(path)) for path in DOMAIN if method in called(path)} == ONLY_IN[method]


def test_only_the_bound_of_an_events_times_is_the_functions_own_clock() -> None:
    (reader,) = [path for path in FILES if importing([path], "time")]
    assert reader == OWN_CLOCK and "time" in called(reader)
    users = [str(path) for path in FILES if "regrant.origin.own_clock" in set(imports(path))]
    assert users == ["regrant/step.py"]


@pytest.mark.parametrize("path", [path for path in FILES if path != OWN_CLOCK], ids=str)
def test_nothing_reads_the_clock_or_sleeps(path: Path) -> None:
    # Time arrives in the event and waiting belongs to Wait states, so that a run can be replayed.
    assert not called(path) & {"now", "utcnow", "today", "time", "monotonic", "sleep"}
    assert importing([path], "time") == []


@pytest.mark.parametrize("path", HANDLERS, ids=str)
def test_a_handler_is_one_step_with_its_name(path: Path) -> None:
    assert len((FUNCTIONS / path).read_text().splitlines()) <= 12
    makers = called(path) & {"step", "step_of", "asking_step_of", "handover_step", "url_step"}
    assert len(makers) == 1 and called(path) - makers <= {"count_outcome", "capture_baseline"}
    docstring, *froms, assignment = tree(path).body
    assert isinstance(docstring, ast.Expr) and all(isinstance(node, ast.ImportFrom) for node in froms)
    assert isinstance(assignment, ast.Assign) and ast.unparse(assignment.targets[0]) == "handler"
    assert path.stem in {node.id for node in ast.walk(assignment) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", HANDLERS, ids=str)
def test_a_step_that_asks_step_functions_asks_about_its_own_function(path: Path) -> None:
    """The functions are named after their handlers in the template."""
    named = [
        ast.literal_eval(keyword.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "sent_as"
    ]
    assert named == ([path.stem.replace("_", "-")] if path.stem in ASK else [])


def test_no_folder_has_more_than_fifteen_files() -> None:
    sizes = Counter(path.parent for path in FILES if path.stem != "__init__")
    assert [str(folder) for folder, size in sizes.items() if size > 15] == []
