"""How a language of generated sources writes operators, functions and numbers: the tables of a target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rnnspec.codegen.code import Level
from rnnspec.codegen.constants import Literals


@dataclass(frozen=True)
class Language:
    """The tables of one language, by the names that a program gives to operators and functions.

    operators: the symbol of each and how tightly it binds.  functions: what all others are called; a call of
    one that the table of `defined` holds makes the source define it.  defined: the functions that a source
    can define, in templates/*/language.*.j2, each with those that it calls.  literals: numbers.  truths: the
    constants false and true.
    """

    operators: Mapping[str, tuple[str, Level]]
    functions: Mapping[str, str]
    defined: Mapping[str, tuple[str, ...]]
    literals: Literals
    truths: tuple[str, str]

    def with_callees(self, functions: Iterable[str]) -> list[str]:
        """Return functions that a source defines and all that they call, sorted."""
        found: set[str] = set()
        waiting = set(functions)
        while waiting:
            name = waiting.pop()
            found.add(name)
            waiting |= set(self.defined[name]) - found
        # Sorted: set order differs between processes and would reach the source.
        return sorted(found)
