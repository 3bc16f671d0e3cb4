"""What tells the specs of runs with the same name apart: the values that were edited in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rnnspec.diagnostics import Problems, shorten
from rnnspec.errors import RequestError
from rnnspec.runs.layout import SPEC
from rnnspec.runs.regular import read_regular
from rnnspec.runs.status import RunStatus
from rnnspec.syntax.source import read_mapping
from rnnspec.syntax.tree import Mapping as Tree
from rnnspec.syntax.tree import Node, Scalar
from rnnspec.syntax.tree import Sequence as Items

#: So many values of a spec are shown, and so many characters of each.
FEW, WIDTH = 3, 24


def edits(found: Sequence[RunStatus]) -> list[dict[str, str]]:
    """Return for each run the values of its spec that other runs of the same name and overlays do not have.

    Values by key, such as `task.trials`.  What was given to `--set` is left out, and so is a spec that cannot
    be read.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for number, status in enumerate(found):
        groups.setdefault((status.name, status.methods), []).append(number)
    edited: list[dict[str, str]] = [{} for _ in found]
    for group in groups.values():
        if len({found[number].identity for number in group}) < 2:
            continue
        specs = {number: _values(found[number].folder) for number in group}
        given = {setting.partition("=")[0].strip() for n in group for setting in found[n].settings}
        known = [values for values in specs.values() if values]
        for number, values in specs.items():
            own = {
                key: text
                for key, text in values.items()
                if any(other.get(key) != text for other in known)
                and not any(key == path or key.startswith(f"{path}.") for path in given)
            }
            edited[number] = dict(list(own.items())[:FEW])
    return edited


def _values(folder: Path) -> Mapping[str, str]:
    """Return the values of the spec of a run by key; none if it cannot be read."""
    try:
        tree = read_mapping(read_regular(folder / SPEC), SPEC, Problems())
    except (OSError, RequestError):
        return {}
    return {} if tree is None else dict(_leaves(tree, ""))


def _leaves(node: Node, path: str) -> Iterator[tuple[str, str]]:
    match node:
        case Tree(entries=entries):
            for key, entry in entries.items():
                yield from _leaves(entry.value, f"{path}.{key}" if path else key)
        case Items() | Scalar():
            yield path, shorten(_text(node), WIDTH)


def _text(node: Node) -> str:
    match node:
        case Scalar(text=text):
            return text
        case Items(items=items):
            return f"[{', '.join(map(_text, items))}]"
    return "{...}"
