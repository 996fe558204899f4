"""The permissions of the AWS provider, for the seed's resources: to look, to import, and to apply the roles.

Each try begins with the same state: an import that failed has the arguments in it that only Terraform knows,
and the next plan would find nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.account import LocalAccount
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import hcl, retainwise, retainwise_account
from scripts.handover.checkout import IMPORTS, Checkout, Run
from scripts.handover.statements import APPLY, IMPORT, READ, Statements, first_action, without
from scripts.handover.tried import Tried


def tried(folder: Path, environment: Mapping[str, str]) -> Iterator[Tried]:
    with LocalAccount(pace=20, http_port=0) as account:
        account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise_account.create(account)
        account.client("events").disable_rule(Name="regrant-alarm")
        place = folder / "checkout"
        place.mkdir()
        checkout = Checkout(account, place, environment)
        checkout.write(hcl.before())
        assert checkout.init().rc == 0
        yield from _import(checkout)
        yield from _drift(checkout)
        yield from _apply(checkout)


def _import(checkout: Checkout) -> Iterator[Tried]:
    checkout.import_blocks(hcl.imports())
    yield from _changing(checkout, "import", IMPORT)
    (checkout.folder / IMPORTS).unlink()


def _apply(checkout: Checkout) -> Iterator[Tried]:
    checkout.write(hcl.after())
    yield from _changing(checkout, "apply", APPLY)


def _changing(checkout: Checkout, part: str, changing: Statements) -> Iterator[Tried]:
    """Each taken away in turn, then none. UpdateService comes last: what is refused before it leaves nothing
    behind."""
    names = sorted(changing, key=lambda name: first_action(changing[name]) == "ecs:UpdateService")
    state = checkout.folder / "terraform.tfstate"
    before = state.read_bytes() if state.exists() else None
    for left_out in (*names, None):
        state.unlink(missing_ok=True)
        if before is not None:
            state.write_bytes(before)
        checkout.may(READ)
        plan = checkout.plan()
        assert plan.rc == 2, plan.text[-2000:]
        checkout.may({**READ, **(without(changing, left_out) if left_out else changing)})
        run = checkout.apply()
        if run.rc == 0:
            checkout.may(READ)
            run = checkout.plan()
        action = first_action(changing[left_out]) if left_out else ""
        failed = None if run.rc == 0 else part
        yield Tried(part, left_out, action, failed, _how(run) if run.rc else "the next plan changes nothing")


def _drift(checkout: Checkout) -> Iterator[Tried]:
    """Looking: nothing that changes, and no lock."""
    for left_out in (None, *READ):
        checkout.may(without(READ, left_out) if left_out else READ)
        run = checkout.plan("drift", "-lock=false")
        action = first_action(READ[left_out]) if left_out else ""
        yield Tried(
            "drift", left_out, action, "plan" if run.rc else None, _how(run) if run.rc else "no change"
        )


def _how(run: Run) -> str:
    if run.rc == 2:
        kinds = sorted(set(run.changes.values()))
        return f"no error, but a plan to {', '.join(kinds)} {', '.join(sorted(run.changes))}"
    return f"refused: {run.denied}" if run.denied else run.failure
