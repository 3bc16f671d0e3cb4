"""Composes a spec, the files that it extends, overlays and settings into one resolved document.

`extends` comes first, then each overlay, then each `--set`, in order.  `merge.py` has the rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Sequence as Steps
from dataclasses import dataclass, replace
from pathlib import Path

from rnnspec.diagnostics import Problems, Source, Span, nearest, one_of, shorten
from rnnspec.syntax.dump import dump
from rnnspec.syntax.merge import Merge, is_null
from rnnspec.syntax.setting import Setting, arrow, read_setting
from rnnspec.syntax.source import neighbour, read_file, read_mapping
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence, plain_value

__all__ = ["Document", "compose", "compose_text", "dump"]

MAX_CHAIN = 16


@dataclass(frozen=True)
class Document:
    """The resolved document of a spec; each node has the place that it came from.

    varied: whether overlays or settings have changed the spec.
    """

    tree: Mapping
    name: str
    varied: bool = False

    @property
    def value(self) -> dict[str, object]:
        """The document as dicts, lists and values."""
        return {key: plain_value(entry.value) for key, entry in self.tree.entries.items()}

    def node(self, path: Steps[str | int]) -> Node | None:
        """Return the node at a path; None if the path does not exist."""
        node: Node = self.tree
        for step in path:
            below = _child(node, step)
            if below is None:
                return None
            node = below[1]
        return node

    def span(self, path: Steps[str | int], *, key: bool = False) -> Span:
        """Return the place of a value, or of its key.

        If the path does not exist: the place of the last key of the path that does.
        """
        node: Node = self.tree
        place = Span(node.span.source, node.span.line, node.span.column, node.span.line, node.span.column)
        for step in path:
            below = _child(node, step)
            if below is None:
                return place
            place, node = below
        return place if key or not path else node.span

    def rename(self, path: Steps[str | int], name: str) -> None:
        """Rename a key that is wrong, so that its value can be checked under the right name."""
        above = self.node(path[:-1])
        if isinstance(above, Mapping):
            entries = {name if key == path[-1] else key: entry for key, entry in above.entries.items()}
            above.entries.clear()
            above.entries.update(entries)

    def inside(self, path: Steps[str | int], start: int, end: int) -> Span:
        """Return the place of the characters start to end (0-based, end exclusive) of a string."""
        node = self.node(path)
        return node.part(start, end) if isinstance(node, Scalar) else self.span(path)


def compose(
    path: Path | str,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str | Setting] = (),
    *,
    problems: Problems,
) -> Document | None:
    """Return the resolved document of a spec; None if it cannot be composed.

    A result does not mean that there were no errors: see `read_file`.
    """
    main = read_file(path, problems)
    chains = [_chain(main, str(path), problems)]
    for overlay in overlays:
        file = find_overlay(str(overlay), Path(path).parent, problems)
        chains.append(None if file is None else _chain(read_file(file, problems), file, problems))
    given = [item if isinstance(item, Setting) else read_setting(item, problems) for item in settings]
    return _resolve(main, chains, given, str(path), problems)


def vary(document: Document, settings: Steps[Setting], problems: Problems) -> Document | None:
    """Return a composed document with more settings; None if one of them does not fit.

    Parts that no setting reaches are the same nodes in both documents.
    """
    return _changed(document, settings, Merge(problems, fragment="name" not in document.tree.entries))


def is_sweep(tree: Mapping) -> bool:
    """Return whether a document is a sweep, not a spec: it names itself one, or has a list of specs."""
    return not tree.entries.keys().isdisjoint(("sweep", "specs"))


def refuse_sweep(tree: Mapping, problems: Problems, help: str) -> None:
    """Report a sweep that stands where a spec is wanted."""
    place = next(tree.entries[key].key for key in ("sweep", "specs") if key in tree.entries)
    problems.error("RS503", "this document is a sweep", place, expected="a spec", help=help)


def compose_text(text: str, name: str, problems: Problems) -> Document | None:
    """Return the resolved document of YAML text; `extends` is relative to the current folder."""
    main = read_mapping(text, name, problems)
    return _resolve(main, [_chain(main, "", problems)], [], name, problems)


def _resolve(
    main: Mapping | None,
    chains: Steps[list[Mapping] | None],
    settings: Steps[Setting | None],
    name: str,
    problems: Problems,
) -> Document | None:
    """Merge the documents of all chains, then the settings, in order."""
    layers = [layer for chain in chains if chain for layer in chain]
    if main is None or None in chains or None in settings:
        return None
    merge = Merge(problems, fragment=not any("name" in layer.entries for layer in layers))
    tree = Mapping({}, main.span)
    for layer in layers:
        tree = merge.mappings(tree, _with_arrows(_without_extends(layer), problems))
    return _changed(Document(tree, name, varied=len(chains) > 1), [s for s in settings if s], merge)


def _changed(document: Document, settings: Steps[Setting], merge: Merge) -> Document | None:
    tree, fit = document.tree, True
    for setting in settings:
        if setting.fits(tree, merge.problems):
            tree = merge.mappings(tree, setting.layer())
        else:
            fit = False
    return Document(tree, document.name, varied=document.varied or bool(settings)) if fit else None


# --- which files -------------------------------------------------------------------------------------


def _chain(tree: Mapping | None, name: str, problems: Problems) -> list[Mapping] | None:
    """Return a document and all documents that it extends, the base first; None if one is missing."""
    if tree is None:
        return None
    chain, names, seen = [tree], [name], [os.path.realpath(name)]
    if is_sweep(tree):
        refuse_sweep(tree, problems, f"'rnnspec sweep {shorten(name, 200)}' trains its units")
        return None
    while "extends" in chain[-1].entries:
        place = chain[-1].entries["extends"].value
        if is_null(place):
            break
        file = _extended_file(place, names, seen, problems)
        tree = None if file is None else read_file(file, problems)
        if file is None or tree is None:
            return None
        if is_sweep(tree):
            refuse_sweep(tree, problems, "a spec extends only specs and fragments")
            return None
        chain.append(tree)
        names.append(file)
        seen.append(os.path.realpath(file))
    return chain[::-1]


def _extended_file(place: Node, names: list[str], seen: list[str], problems: Problems) -> str | None:
    """Return the path of the file that the last of names extends."""
    message, help = "", ""
    if not isinstance(place, Scalar) or not isinstance(place.value, str) or not place.value:
        message, help = "'extends' takes one path", "for example: 'extends: base/cognitive.yaml'"
    elif os.path.isabs(place.value):
        message, help = (
            "the path in 'extends' must be relative to this file",
            "for example: 'extends: base/cognitive.yaml'",
        )
    if message or not isinstance(place, Scalar):
        problems.error("RS016", message, place.span, expected="the path of a file", help=help)
        return None
    file = os.path.join(os.path.dirname(names[-1]), place.text)
    if not os.path.exists(file):
        help = neighbour(file) or "a path in 'extends' is relative to the file that it stands in"
        problems.error("RS016", f"there is no file '{shorten(file, 200)}'", place.span, help=help)
    elif os.path.realpath(file) in seen:
        circle = " -> ".join([*names[seen.index(os.path.realpath(file)) :], file])
        help = "delete one 'extends' of the cycle"
        problems.error("RS016", f"the files extend each other in a cycle: {circle}", place.span, help=help)
    elif len(names) >= MAX_CHAIN:
        problems.error("RS016", f"a chain of 'extends' may have at most {MAX_CHAIN} files", place.span)
    else:
        return file
    return None


def find_overlay(name: str, folder: Path, problems: Problems) -> str | None:
    """Return the path of an overlay of `--with`: its path, or the name of a method; None for neither.

    folder: of the spec, whose folder `methods` is searched too.
    """
    if os.path.exists(name) and not os.path.isdir(name):
        return name
    return find_method(name, folder, problems, Span(Source("--with", name), 1, 1, 1, max(2, len(name) + 1)))


def find_method(name: str, folder: Path, problems: Problems, place: Span) -> str | None:
    """Return the path of a method by its name; None, and it is reported at a place, if there is none."""
    known = methods_of(folder)
    if name in known:
        return str(known[name])
    message = f"there is no file '{shorten(name, 200)}' and no method of that name"
    expected = f"the path of a file, or {one_of(sorted(known))}"
    problems.error("RS016", message, place, expected=expected, help=nearest(name, known) or neighbour(name))
    return None


def methods_of(folder: Path) -> dict[str, Path]:
    """Return the paths of the methods by name; a method beside the spec replaces a shipped one."""
    package = Path(__file__).resolve().parents[1]
    # Methods are inside the package if it is installed, beside it in a checkout.
    shipped = package / "methods" if (package / "methods").is_dir() else package.parent / "specs" / "methods"
    places = (shipped, folder / "methods")
    return {file.stem: file for place in places for file in place.glob("*.yaml") if file.is_file()}


# --- one document ------------------------------------------------------------------------------------


def _without_extends(tree: Mapping) -> Mapping:
    return Mapping({key: entry for key, entry in tree.entries.items() if key != "extends"}, tree.span)


def _with_arrows(tree: Mapping, problems: Problems) -> Mapping:
    """Return a document in which every connection is named `a -> b`, with one space on each side."""
    network = tree.entries.get("network")
    if network is None or not isinstance(network.value, Mapping):
        return tree
    connections = network.value.entries.get("connections")
    if connections is None or not isinstance(connections.value, Mapping):
        return tree
    entries: dict[str, Entry] = {}
    for key, entry in connections.value.entries.items():
        name = arrow(key)
        if name in entries:
            message = f"the key '{shorten(name)}' is already defined on line {entries[name].key.line}"
            problems.error("RS005", message, entry.key, help="delete one of the two, or merge them")
        else:
            entries[name] = entry
    renamed = replace(connections, value=Mapping(entries, connections.value.span))
    inner = {**network.value.entries, "connections": renamed}
    return Mapping(
        {**tree.entries, "network": replace(network, value=Mapping(inner, network.value.span))}, tree.span
    )


def _child(node: Node, step: str | int) -> tuple[Span, Node] | None:
    """Return the place of a key (or item) directly below a node, and its value."""
    if isinstance(node, Mapping) and isinstance(step, str):
        entry = node.entries.get(step)
        return (entry.key, entry.value) if entry else None
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step].span, node.items[step]
    return None
