"""Merges one document into another.

Mappings merge by key, every other value replaces the old one, and `null` removes the key.  A mapping whose
`kind` changes replaces the old one.  A new epoch must give its position.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rnnspec.diagnostics import Problems, nearest, one_of, shorten
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence, plain_value

EPOCHS = ("task", "epochs")
PLACES = ("after", "before")


@dataclass(frozen=True)
class Merge:
    """Merges documents and reports problems.

    fragment: whether the documents are incomplete, so that a position may name an epoch outside of them.
    """

    problems: Problems
    fragment: bool

    def mappings(self, base: Mapping, over: Mapping, path: tuple[str, ...] = ()) -> Mapping:
        """Return base, changed by over.  path: where both stand in the document."""
        if path == EPOCHS:
            return self._epochs(base, over)
        entries = dict(base.entries)
        for key, entry in over.entries.items():
            self._put(entries, key, entry, (*path, key))
        return Mapping(entries, base.span)

    def _put(self, entries: dict[str, Entry], key: str, entry: Entry, path: tuple[str, ...]) -> None:
        old = entries.get(key)
        if is_null(entry.value):
            entries.pop(key, None)
        elif old and isinstance(old.value, Mapping) and isinstance(entry.value, Mapping):
            if _changes_kind(old.value, entry.value, path):
                entries[key] = Entry(entry.key, self._resolved(entry.value, path))
            else:
                entries[key] = Entry(old.key, self.mappings(old.value, entry.value, path))
        else:
            entries[key] = Entry(entry.key, self._resolved(entry.value, path))

    def _resolved(self, node: Node, path: tuple[str, ...]) -> Node:
        """Return a node without the keys that are null."""
        match node:
            case Mapping():
                return self.mappings(Mapping({}, node.span), node, path)
            case Sequence():
                return Sequence(tuple(self._resolved(item, (*path, "-")) for item in node.items), node.span)
            case Scalar():
                return node

    # --- epochs, whose order matters ---

    def _epochs(self, base: Mapping, over: Mapping) -> Mapping:
        entries = dict(base.entries)
        moves: dict[str, tuple[str, Scalar]] = {}
        for name, entry in over.entries.items():
            new = name not in base.entries
            needed = new and bool(base.entries) and not is_null(entry.value)
            place = self._take_place(name, entry, base.entries if needed else ())
            if place is not None:
                moves[name] = place
            if isinstance(entry.value, Mapping):
                contents = {key: value for key, value in entry.value.entries.items() if key not in PLACES}
                entry = Entry(entry.key, Mapping(contents, entry.value.span))
            self._put(entries, name, entry, (*EPOCHS, name))
        order = [name for name in entries if name not in moves]
        self._place(
            order, {name: move for name, move in moves.items() if name in entries}, bool(base.entries)
        )
        return Mapping({name: entries[name] for name in order}, base.span)

    def _take_place(self, name: str, entry: Entry, others: Collection[str]) -> tuple[str, Scalar] | None:
        """Return the position of an epoch: `after` or `before`, and another epoch.  Reports mistakes.

        others: the epochs among which a new one needs a position; none if it needs no position.
        """
        given = entry.value.entries if isinstance(entry.value, Mapping) else {}
        places = [(word, given[word]) for word in given if word in PLACES and not is_null(given[word].value)]
        if len(places) == 2:
            message = f"the epoch '{shorten(name)}' has both 'after' and 'before'"
            self.problems.error("RS017", message, places[1][1].key, help="delete one of the two")
        if not places:
            if others:
                message = f"the new epoch '{shorten(name)}' has no position"
                help = "add 'after: EPOCH' or 'before: EPOCH' to it"
                if meant := nearest(name, others):
                    help = f"{meant} If the epoch is new, {help}"
                self.problems.error("RS017", message, entry.key, help=help)
            return None
        word, place = places[0]
        if isinstance(place.value, Scalar) and isinstance(place.value.value, str):
            return word, place.value
        self.problems.error(
            "RS017",
            f"the value of '{word}' is not a string",
            place.value.span,
            expected="the name of an epoch",
        )
        return None

    def _place(self, order: list[str], moves: dict[str, tuple[str, Scalar]], known: bool) -> None:
        """Insert every epoch of moves into the order.  known: whether the other epochs are known."""
        while moves:
            # An epoch may be placed beside another one of moves, which is then inserted first.
            ready = [name for name, (_, place) in moves.items() if place.text in order]
            if not ready:
                break
            # Several epochs at one position keep the order in which they are written.
            befores = [name for name in ready if moves[name][0] == "before"]
            for name in befores + [name for name in reversed(ready) if name not in befores]:
                word, place = moves.pop(name)
                order.insert(order.index(place.text) + (word == "after"), name)
        choices = list(order)
        for name, (_, place) in moves.items():
            order.append(name)
            if place.text == name:
                message = f"the epoch '{shorten(name)}' cannot be placed beside itself"
                self.problems.error("RS017", message, place.span, expected=one_of(choices))
            elif place.text in moves:
                message = (
                    f"the positions of '{shorten(name)}' and '{shorten(place.text)}' depend on each other"
                )
                self.problems.error("RS017", message, place.span, expected=one_of(choices))
            elif known or not self.fragment:
                message = f"'{shorten(place.text)}' is not an epoch of this task"
                help = nearest(place.text, choices)
                self.problems.error("RS017", message, place.span, expected=one_of(choices), help=help)


def is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _changes_kind(base: Mapping, over: Mapping, path: tuple[str, ...]) -> bool:
    # The keys of a task are names that the author of the spec chose: there `kind` may be a variable.
    old, new = base.entries.get("kind"), over.entries.get("kind")
    if path[0] == "task" or old is None or new is None or is_null(new.value):
        return False
    if not (isinstance(old.value, Scalar) and isinstance(new.value, Scalar)):
        # A population, channel or edge may be named `kind`.
        return False
    return plain_value(old.value) != plain_value(new.value)
