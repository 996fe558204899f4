"""`make mutants`, which no quick run plays, takes safeguards out by their text: that has to stand there."""

from __future__ import annotations

import pytest

from mutants.test_chaos import CATCH, INTENT, INTENT_OF_A_GRANT, LAST_FUNCTION, LEASE, ROOT, Mutation


@pytest.mark.parametrize("mutation", [INTENT, INTENT_OF_A_GRANT, LEASE, LAST_FUNCTION, CATCH])
def test_a_safeguard_stands_where_make_mutants_takes_it_out(mutation: Mutation) -> None:
    name, safeguard, _ = mutation
    assert (ROOT / name).read_text("utf-8").count(safeguard) == 1
