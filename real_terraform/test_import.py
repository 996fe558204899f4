"""The real Terraform takes over what the seed's account has, and finds nothing to change.

With the provider and under enforced IAM: what one permission less does, all of them, is `make
handover-privileges`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.account import LocalAccount
from sandbox.scenarios.play import TEMPLATE
from sandbox.scenarios.seeds import hcl, retainwise, retainwise_account
from scripts.handover.checkout import Checkout
from scripts.handover.statements import IMPORT, READ, without


@pytest.fixture(scope="module")
def checkout(terraform: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """With everything imported."""
    with LocalAccount(pace=20, http_port=0) as account:
        account.deploy(TEMPLATE, retainwise.PARAMETERS)
        retainwise_account.create(account)
        account.client("events").disable_rule(Name="regrant-alarm")
        checkout = Checkout(account, tmp_path_factory.mktemp("checkout"), terraform)
        checkout.write(hcl.before())
        checkout.import_blocks(hcl.imports())
        checkout.may({**READ, **IMPORT})
        for run in (checkout.init(), checkout.plan(), checkout.apply()):
            assert run.rc in (0, 2), run.text
        (checkout.folder / "imports.tf").unlink()
        checkout.may(READ)
        yield checkout


def test_after_the_import_there_is_nothing_to_change(checkout: Checkout) -> None:
    run = checkout.plan()
    assert (run.rc, run.changes) == (0, {}), run.text


def test_a_task_definition_that_it_may_not_read_looks_like_one_that_is_gone(checkout: Checkout) -> None:
    """Provider 5.100 takes the denial for an answer: no error, and a plan that would make it again."""
    checkout.may(without(READ, "read task definitions"))
    run = checkout.plan()
    assert run.rc == 2 and set(hcl.ROLES) <= run.changes.keys()
    assert {run.changes[address] for address in hcl.ROLES} == {"create"}


def test_the_right_roles_are_two_replacements_and_two_updates(checkout: Checkout) -> None:
    checkout.may(READ)
    checkout.write(hcl.after())
    run = checkout.plan()
    assert run.changes == dict.fromkeys(hcl.ROLES, "replace") | dict.fromkeys(hcl.SERVICES, "update")
