"""Remedies for a value of the wrong type: the mapping that it probably means, or what cannot be written."""

from __future__ import annotations

import re
from collections.abc import Callable

from rnnspec.diagnostics import closest, shorten
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.spec.misplaced import CELLS, GATED, SAME_TAU, SIGN, matches
from rnnspec.spec.remedies_of_sweeps import remedy_in_sweep
from rnnspec.spec.wording import Path
from rnnspec.syntax.compose import Document, is_sweep
from rnnspec.syntax.quantity import match_quantity
from rnnspec.syntax.tree import Mapping, Scalar


def remedy(path: Path, value: object, document: Document) -> str:
    """Return what to write in place of a value of the wrong type; an empty string if that is not clear."""
    if matches("network.populations.*.tau", path) and _is_spread(value):
        return SAME_TAU
    if matches("network.dale", path) and isinstance(value, bool):
        return SIGN
    if is_sweep(document.tree):
        return remedy_in_sweep(path, value)
    node = document.node(path)
    if not isinstance(node, Scalar) or isinstance(value, bool) or value is None:
        return ""
    if matches("network.activation", path) and str(value).lower() in CELLS:
        return GATED
    for pattern, propose in _MAPPINGS:
        if matches(pattern, path):
            found = propose(_quoted(node.text or str(value)), _kind(value), document)
            return f"write {found}" if found else ""
    return ""


def _is_spread(value: object) -> bool:
    """Return whether a value seems to give each unit its own: a distribution, a list or a mapping."""
    return isinstance(value, list | dict) or (isinstance(value, str) and "(" in value)


# --- mappings ----------------------------------------------------------------------------------------


def _kind(value: object) -> str:
    """Return what a scalar looks like: integer, number, share (`95 %`), time, call, or word."""
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    quantity = match_quantity(str(value))
    if quantity is not None:
        return "share" if quantity[1] == "%" else "time"
    return "call" if "(" in str(value) else "word"


def _quoted(text: str) -> str:
    """Return a text as it can stand inside { }."""
    return f'"{shorten(text, 80)}"' if re.search(r"[,\[\]{}#:]", text) else shorten(text, 80)


def _optimizer(text: str, kind: str, document: Document) -> str:
    if kind in ("integer", "number"):
        return f"{{kind: adam, learning_rate: {text}}}"
    name = closest(text, ("adam", "adamw", "sgd", "rmsprop"))
    return f"{{kind: {name}}}" if name else ""


def _stop(text: str, kind: str, document: Document) -> str:
    quantity = match_quantity(text)
    if quantity is None or quantity[0] <= 0 or quantity[0] > 100:
        return ""
    share = quantity[0] / 100 if kind == "share" or quantity[0] > 1 else quantity[0]
    return f"{{performance: {float(share):g}}}"


def _noise(text: str, kind: str, document: Document) -> str:
    if kind in ("integer", "number"):
        return f"{{kind: ou, scale: {text}, tau: 100 ms}}"
    name = closest(text, ("ou", "white"))
    return {"ou": "{kind: ou, scale: 0.1, tau: 100 ms}", "white": "{kind: white, scale: 0.1}"}.get(name, "")


def _connection(text: str, kind: str, document: Document) -> str:
    if text in ("excitatory", "inhibitory"):
        return f"{{sign: {text}}}"
    if kind == "call" or text == "zeros":
        return f"{{init: {text}}}"
    quantity = match_quantity(text)
    if kind not in ("integer", "number") or quantity is None or not 0 <= quantity[0] <= 1:
        return ""
    return f"{{density: {text}}}" if quantity[0] else "none"


def _input(text: str, kind: str, document: Document) -> str:
    return f"{{size: {text}}}" if kind == "integer" else f"{{to: {text}}}" if kind == "word" else ""


def _output(text: str, kind: str, document: Document) -> str:
    if kind == "word" and text in ACTIVATIONS:
        return f"{{activation: {text}}}"
    return f"{{size: {text}}}" if kind == "integer" else f"{{from: {text}}}" if kind == "word" else ""


def _edge(text: str, kind: str, document: Document) -> str:
    if kind == "time":
        return f"{{kind: dasc, every: {text}}}"
    return f"{{kind: {text}, every: 40 steps}}" if text in ("sctt", "dasc") else ""


def _only(kinds: tuple[str, ...], mapping: str) -> Callable[[str, str, Document], str]:
    """Propose a mapping, with the text in place of VALUE, for scalars of some kinds."""
    return lambda text, kind, document: mapping.replace("VALUE", text) if kind in kinds else ""


def _channel(section: str) -> Callable[[str, str, Document], str]:
    """Propose the first channel of a section of the network as the key, for ring() the first ring."""

    def propose(text: str, kind: str, document: Document) -> str:
        channels = document.node(("network", section))
        if text == "none" or not isinstance(channels, Mapping) or not channels.entries:
            return ""
        rings = [
            name
            for name, entry in channels.entries.items()
            if "ring(" in text and isinstance(entry.value, Mapping) and "ring" in entry.value.entries
        ]
        return f"{{{[*rings, *channels.entries][0]}: {text}}}"

    return propose


#: For each place, what proposes the mapping from the text and the kind of a scalar.
_MAPPINGS: tuple[tuple[str, Callable[[str, str, Document], str]], ...] = (
    ("training.optimizer", _optimizer),
    ("training.stop", _stop),
    ("training.evaluate", _only(("integer",), "{every: VALUE}")),
    ("training.penalty", _only(("integer", "number"), "{rate_l1: VALUE}")),
    ("network.noise", _noise),
    ("network.populations.*", _only(("integer",), "{size: VALUE, tau: 100 ms}")),
    ("network.inputs.*", _input),
    ("network.outputs.*", _output),
    ("network.weights", _only(("call",), "{w_rec: VALUE}")),
    ("network.connections.*", _connection),
    ("task.epochs.*", _only(("time",), "{duration: VALUE}")),
    ("task.input", _channel("inputs")),
    ("task.epochs.*.input", _channel("inputs")),
    ("task.target", _channel("outputs")),
    ("task.epochs.*.target", _channel("outputs")),
    ("skips.edges.*", _edge),
    ("coarsening", _only(("integer", "number"), "{from: VALUE}")),
)
