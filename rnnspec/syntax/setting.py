"""Reads `--set a.b.c=value` as a document that has only this value."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspec.diagnostics import Problems, Source, Span, nearest, shorten
from rnnspec.syntax.merge import is_null
from rnnspec.syntax.source import read_value
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar

MAX_KEYS = 16
_EXAMPLE = "training.networks=10"


@dataclass(frozen=True)
class Setting:
    """A value, and the keys that lead to it from the top of the document, each with its place.

    text: the same as `key=value`.
    """

    keys: tuple[tuple[str, Span], ...]
    value: Node
    text: str

    def layer(self) -> Mapping:
        """Return the document that has only this value."""
        node = self.value
        for key, place in reversed(self.keys):
            node = Mapping({key: Entry(place, node)}, place)
        assert isinstance(node, Mapping)
        return node

    def fits(self, tree: Mapping, problems: Problems) -> bool:
        """Return whether all keys but the last lead to mappings of the document; reports it if not."""
        node: Node = tree
        for number, (key, place) in enumerate(self.keys):
            if not isinstance(node, Mapping):
                above = ".".join(key for key, _ in self.keys[:number])
                found = "a single value" if isinstance(node, Scalar) else "a list"
                message = f"'{shorten(above)}' is {found}, so it has no key '{shorten(key)}'"
                help = f"set the whole value: '{shorten(above)}=...'"
                problems.error("RS018", message, place, help=help)
                return False
            entry = node.entries.get(key)
            if entry is None:
                if is_null(self.value):
                    message = f"there is no key '{shorten(key)}' to remove"
                    problems.warning("RS018", message, place, help=nearest(key, node.entries))
                return True
            node = entry.value
        return True


def arrow(name: str) -> str:
    """Return the name of a connection with one space on each side of the arrow."""
    return " -> ".join(part.strip() for part in name.split("->"))


def read_setting(text: str, problems: Problems) -> Setting | None:
    """Read one setting; None if it is invalid.  Its diagnostics point into the text."""
    source = Source("--set", text)
    whole = Span(source, 1, 1, 1, max(2, len(text) + 1))
    path, equals, _ = text.partition("=")
    if not equals:
        problems.error(
            "RS018", "this setting has no '='", whole, expected="KEY=VALUE", help=f"for example: {_EXAMPLE}"
        )
        return None
    keys = read_keys(path, whole, problems)
    if keys is None:
        return None
    node = read_value(source, len(path) + 1, problems)
    if isinstance(node, Scalar) and is_null(node) and not node.text:
        help = f"write '{shorten(path.strip())}=null' to remove the key"
        problems.error(
            "RS018", "a value is missing after the '='", whole.part(len(path), len(path) + 1), help=help
        )
        return None
    return None if node is None else Setting(keys, node, text)


def read_keys(path: str, whole: Span, problems: Problems) -> tuple[tuple[str, Span], ...] | None:
    """Return the keys of `a.b.c`, each with its place; None if they are invalid.

    whole: where the path begins.
    """
    keys, column = [], 0
    for part in path.split("."):
        indent = len(part) - len(part.lstrip())
        keys.append(
            (arrow(part.strip()), whole.part(column + indent, column + max(indent + 1, len(part.rstrip()))))
        )
        column += len(part) + 1
    if len(keys) > MAX_KEYS:
        problems.error("RS018", f"a setting may have at most {MAX_KEYS} keys", whole)
        return None
    for key, place in keys:
        if not key:
            problems.error("RS018", "a key is missing here", place, help=f"for example: {_EXAMPLE}")
            return None
    if keys[0][0] == "extends":
        help = "name an overlay in 'methods'" if whole.source.is_file else "use '--with FILE'"
        problems.error("RS018", "'extends' cannot be set", keys[0][1], help=help)
        return None
    return tuple(keys)
