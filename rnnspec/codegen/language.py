"""The functions of a generated module that stand for those of the specification language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Each function, and the others that it calls; templates/torch/language.py.j2 defines them.
CALLS = {
    "angle": (),
    "argmax": (),
    "bernoulli": ("number", "unit"),
    "choice": ("pick", "unit"),
    "constant": (),
    "distance": (),
    "exponential": ("unit",),
    "integer": ("unit",),
    "maximum": ("number",),
    "minimum": ("number",),
    "normal": ("unit",),
    "number": (),
    "onehot": ("number",),
    "pick": ("where",),
    "ring": ("distance", "number"),
    "uniform": ("unit",),
    "unit": (),
    "where": ("number",),
}


def with_callees(functions: Iterable[str], calls: Mapping[str, tuple[str, ...]] = CALLS) -> list[str]:
    """Return functions and all that they call, sorted.  calls: which each of a language calls itself."""
    found: set[str] = set()
    waiting = set(functions)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(calls[name]) - found
    # Sorted: set order differs between processes and would reach the source.
    return sorted(found)
