"""Remedies for a key that is unknown where it stands: where it belongs, or why it cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from rnnspec.diagnostics import closest
from rnnspec.spec.choices import kinds_of
from rnnspec.spec.fields import Model
from rnnspec.spec.shape import annotation_at, bare, keys_of
from rnnspec.spec.wording import Path
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Scalar

_FORM = "the state of a unit is its firing rate; a network whose state is the input current cannot be written"
_RANK = "connectivity of low rank cannot be written: w_rec is trained as a whole"
_STP = "short-term plasticity cannot be written: weights are constant while a network runs"
_DELAY = "conduction delays cannot be written: a connection acts in the next step"
_INITIAL = "the state is 0 at the start of a sequence; 'burn_in' in the task lets the activity settle"
_MASK = "a mask cannot be written; 'density' draws one, and 'none' removes a connection"
GATED = "units are leaky firing-rate units; gated cells such as LSTM and GRU cannot be written"
SIGN = "for Dale's law, give a population 'sign: excitatory' or 'sign: inhibitory'"
SAME_TAU = "all units of a population have one tau: for several, write several populations"

#: Words for gated cells.
CELLS = ("lstm", "gru")

#: What users of other programs look for, by the place and the key: the sentence that helps.  `*` is any name,
#: VALUE the value that was written.
_SENTENCES = {
    "network": {
        **dict.fromkeys(("form", "dynamics"), _FORM),
        "rank": _RANK,
        **dict.fromkeys(("stp", "short_term_plasticity", "plasticity"), _STP),
        **dict.fromkeys(("cell", "rnn_type", "cell_type"), GATED),
        **dict.fromkeys(("delay", "delays"), _DELAY),
        **dict.fromkeys(("initial", "initial_state"), _INITIAL),
        **dict.fromkeys(
            ("size", "units", "hidden_size", "neurons"),
            "units belong to a population: write 'populations: {all: {size: VALUE, tau: 100 ms}}'",
        ),
    },
    "network.populations.*": {
        "dale": SIGN,
        **dict.fromkeys(("stp", "short_term_plasticity", "plasticity"), _STP),
        **dict.fromkeys(("cell", "cell_type"), GATED),
        **dict.fromkeys(("initial", "initial_state"), _INITIAL),
        **{key: f"all populations have the {key} of 'network'" for key in ("activation", "noise", "dt")},
        "bias": "the initial bias of all units is 'bias' in 'network.weights'",
    },
    "network.connections.*": {
        "rank": _RANK,
        "mask": _MASK,
        **dict.fromkeys(("stp", "short_term_plasticity", "plasticity"), _STP),
        **dict.fromkeys(("delay", "delays"), _DELAY),
    },
    "network.weights": {"rank": _RANK, "mask": _MASK},
    "task": dict.fromkeys(
        ("output", "outputs"), "what an output should be is its 'target': write 'target' in place of 'KEY'"
    ),
    "task.epochs.*": dict.fromkeys(
        ("output", "outputs"), "what an output should be is its 'target': write 'target' in place of 'KEY'"
    ),
    "training": {
        **dict.fromkeys(
            ("learning_rate", "lr"),
            "it belongs to the optimiser: write 'optimizer: {kind: adam, learning_rate: VALUE}'",
        ),
        **dict.fromkeys(
            ("epochs", "steps", "updates"),
            "the number of weight updates is 'iterations': write 'iterations: VALUE'; "
            "an epoch is a part of a trial",
        ),
        **dict.fromkeys(
            ("device", "threads", "target"),
            "this belongs to the machine, not to the experiment: give --KEY to the command",
        ),
        "curriculum": "training in lessons cannot be written: the task is the same in all iterations",
    },
    "": {"tasks": "several tasks in one network cannot be written: a spec has one 'task'"},
}


def sentence(path: Path, document: Document) -> str:
    """Return the sentence for a key that users of other programs expect here, or an empty string."""
    node = document.node(path)
    value = node.text if isinstance(node, Scalar) else ""
    for pattern, sentences in _SENTENCES.items():
        if matches(pattern, path[:-1]) and path[-1] in sentences:
            said = sentences[str(path[-1])].replace("KEY", str(path[-1]))
            return said.replace("VALUE", value[:40] or "...")
    return ""


def belongs(path: Path, model: type[Model], document: Document) -> str:
    """Return where a key belongs that the language has elsewhere; an empty string if it has it nowhere."""
    key = str(path[-1])
    places = misplaced(key, model)
    if places == ("",) and closest(key, keys_of(annotation_at(model, path[:-1]))):
        # A slip of a key of this section, not a section.
        return ""
    here = next((place for place in places if matches(place, path[:-1])), None)
    if here is not None:
        kinds = (kind for inner in _models_at(here, model, key) for kind in kinds_of(inner))
        words = " or ".join(f"'kind: {kind}'" for kind in kinds)
        return f"'{key}' needs {words}"
    if not places or len(places) > 3:
        return ""
    names = [
        f"an entry of '{place.removesuffix('.*')}'" if place.endswith(".*") else f"'{place}'"
        for place in places
    ]
    return f"'{key}' belongs in {' or '.join(names)}"


def setting(path: Path, model: type[Model], document: Document, *, beside: bool = False) -> str:
    """Return the `--set` that was meant by one whose key is unknown; empty for a key of a file.

    It has the keys above the unknown one.  beside: only if the key belongs in the same section.
    """
    source = document.span(path, key=True).source
    if source.name != "--set":
        return ""
    given, _, value = source.text.partition("=")
    rest = tuple(part.strip() for part in given.split("."))[len(path) - 1 :]
    found = [inner for place in misplaced(str(path[-1]), model) for inner in _concrete(place, document)]
    # Or it is the name of an epoch, a population, a channel.
    for pattern, keys in _named(model).items():
        entries = document.node(tuple(pattern.split(".")))
        known = isinstance(entries, Mapping) and rest[0] in entries.entries
        if known and (len(rest) == 1 or rest[1] in keys):
            found.append(tuple(pattern.split(".")))
    if beside:
        found = [place for place in found if place[:1] == path[:1] and len(path) > 1]
    if closest(str(path[-1]), keys_of(annotation_at(model, path[:-1]))):
        found = [place for place in found if place]
    if not found:
        return ""

    def near(place: tuple[str, ...]) -> tuple[int, bool, int]:
        return sum(step in path for step in place), document.node(place) is not None, -len(place)

    meant = (*max(found, key=near), *rest)
    # Of a mapping with one required key, a single value is most likely that of this key.
    required = [key for key, field in keys_of(annotation_at(model, meant)).items() if field.is_required()]
    if len(required) == 1 and not value.lstrip().startswith("{"):
        meant = (*meant, required[0])
    return f"write '--set {'.'.join(meant)}={value}'"


def misplaced(key: str, model: type[Model]) -> tuple[str, ...]:
    """Return the places that have a key, as patterns such as `network.populations.*`."""
    return _places(model).get(key, ())


def matches(pattern: str, path: Path) -> bool:
    """Return whether a path is one of a pattern such as `network.populations.*`."""
    parts = pattern.split(".") if pattern else []
    return len(parts) == len(path) and all(a in ("*", b) for a, b in zip(parts, path, strict=True))


def _concrete(place: str, document: Document) -> Iterator[tuple[str, ...]]:
    """Yield a place with the first name of the document in place of each `*`."""
    steps: tuple[str, ...] = ()
    for part in place.split(".") if place else ():
        node = document.node(steps)
        if part == "*" and (not isinstance(node, Mapping) or not node.entries):
            return
        steps = (*steps, next(iter(node.entries)) if part == "*" and isinstance(node, Mapping) else part)
    yield steps


@cache
def _places(model: type[Model]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for place, inner in _models(model, ""):
        for key in keys_of(inner):
            found.setdefault(key, {})[place] = None
    return {key: tuple(places) for key, places in found.items()}


@cache
def _named(model: type[Model]) -> dict[str, frozenset[str]]:
    """Return the mappings whose keys are names, and the keys of their entries."""
    found: dict[str, frozenset[str]] = {}
    for place, inner in _models(model, ""):
        if place.endswith(".*"):
            found[place.removesuffix(".*")] = frozenset(keys_of(inner))
    return found


def _models_at(place: str, model: type[Model], key: str) -> Iterator[type[Model]]:
    """Yield the models of a place that have a key; there are several only where `kind` chooses one."""
    return (inner for other, inner in _models(model, "") if other == place and key in keys_of(inner))


def _models(annotation: Any, place: str) -> Iterator[tuple[str, type[Model]]]:
    """Yield every model of a type with its place, outer ones first."""
    annotation = bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield place, annotation
        for key, field in keys_of(annotation).items():
            yield from _models(field.annotation, f"{place}.{key}" if place else key)
    elif get_origin(annotation) is dict:
        yield from _models(get_args(annotation)[1], f"{place}.*")
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _models(member, place)
