"""Filter patterns of CloudWatch Logs for unstructured text.

Stands for: Filter and pattern syntax (Amazon CloudWatch Logs User Guide): terms are case-sensitive; several
terms are AND in any order; `"exact phrase"`; `?A ?B` is OR; `-X` excludes. Patterns for JSON,
space-delimited fields and regular expressions are refused, so that nobody relies on a match that AWS would
not make.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TERM = re.compile(r'(?P<kind>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+))')


class UnsupportedPattern(ValueError):
    """The pattern is of a kind that this account does not evaluate."""


class InvalidPattern(ValueError):
    """AWS answers InvalidParameterException: Invalid filter pattern."""


@dataclass(frozen=True)
class Pattern:
    all_of: tuple[str, ...]
    any_of: tuple[str, ...]
    none_of: tuple[str, ...]

    def matches(self, message: str) -> bool:
        return (
            all(term in message for term in self.all_of)
            and (not self.any_of or any(term in message for term in self.any_of))
            and not any(term in message for term in self.none_of)
        )


@lru_cache(maxsize=256)
def parse(text: str) -> Pattern:
    """An empty pattern matches everything."""
    text = text.strip()
    if text.startswith(("{", "[", "%")):
        raise UnsupportedPattern(text)
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _TERM.match(text, position)
        if found is None:
            raise InvalidPattern(text)
        quoted, plain = found["quoted"], found["plain"]
        if plain is not None and not re.fullmatch(r"\w+", plain):
            raise InvalidPattern(text)  # terms with other characters than letters, digits and _ are quoted
        terms[found["kind"]].append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = found.end()
    return Pattern(tuple(terms[""]), tuple(terms["?"]), tuple(terms["-"]))
