"""Several files and settings to one resolved document.

`extends` first, then each overlay, then each `--set`, in order.  Mappings merge by key; everything else
replaces; `null` removes the key; a mapping whose `kind` changes replaces; a new epoch says where it goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Sequence as Steps
from dataclasses import dataclass, replace
from pathlib import Path

from rnnspec.diagnostics import Problems, Source, Span, nearest, one_of, shorten
from rnnspec.syntax.dump import dump
from rnnspec.syntax.merge import Merge
from rnnspec.syntax.setting import read_setting
from rnnspec.syntax.source import neighbour, read_file, read_text
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence, plain_value

__all__ = ["Document", "compose", "compose_text", "dump"]

MAX_CHAIN = 16


@dataclass(frozen=True)
class Document:
    """The one resolved document of a spec, each node with the place it came from."""

    tree: Mapping
    name: str

    @property
    def value(self) -> dict[str, object]:
        """The document as dicts, lists and values."""
        return {key: plain_value(entry.value) for key, entry in self.tree.entries.items()}

    def node(self, path: Steps[str | int]) -> Node | None:
        """Return the node at a path, None if there is none."""
        node: Node = self.tree
        for step in path:
            below = _child(node, step)
            if below is None:
                return None
            node = below[1]
        return node

    def span(self, path: Steps[str | int], *, key: bool = False) -> Span:
        """Return the place of a value, or of its key; of the key that would hold it if it is absent."""
        node: Node = self.tree
        place = Span(node.span.source, node.span.line, node.span.column, node.span.line, node.span.column)
        for step in path:
            below = _child(node, step)
            if below is None:
                return place
            place, node = below
        return place if key or not path else node.span


def compose(
    path: Path | str, overlays: Iterable[Path | str] = (), settings: Iterable[str] = (), *, problems: Problems
) -> Document | None:
    """Return the resolved document of a spec, or None if it cannot be put together.

    What could be repaired is in the problems although there is a result: see `read_file`.
    """
    layers = _chain(read_file(path, problems), path, problems)
    for overlay in overlays:
        file = _find_overlay(str(overlay), Path(path).parent, problems)
        above = None if file is None else _chain(read_file(file, problems), file, problems)
        layers = None if layers is None or above is None else layers + above
    return _merge(layers, str(path), settings, problems)


def compose_text(text: str, name: str, problems: Problems) -> Document | None:
    """Return the resolved document of a text; `extends` is relative to the current folder."""
    tree = read_text(text, name, problems)
    ...


def _child(node: Node, step: str | int) -> tuple[Span, Node] | None:
    """Return the place of the key, and the value, one step below a node."""
    if isinstance(node, Mapping) and isinstance(step, str):
        entry = node.entries.get(step)
        return (entry.key, entry.value) if entry else None
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step].span, node.items[step]
    return None
