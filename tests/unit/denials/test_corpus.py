"""Every denial of the corpus is read whole, and nothing is read into the lines that are none."""

from collections import Counter

import msgspec
import pytest

from regrant.denials.reader import read_denials
from tests.denials.corpus import FILES, Entry, read_corpus

CORPUS = read_corpus()


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.id)
def test_denials_are_read_as_labelled(entry: Entry) -> None:
    read = [msgspec.to_builtins(each) for each in read_denials(entry.given)]
    assert read == [msgspec.to_builtins(each) for each in entry.denials]


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    kinds = Counter(entry.kind for entry in CORPUS)
    assert set(kinds) == set(FILES)
    assert sum(not entry.denials for entry in CORPUS) >= 45
    assert sum(bool(entry.denials) for entry in CORPUS) >= 150
    assert all(not entry.denials for entry in CORPUS if entry.kind == "negatives")
