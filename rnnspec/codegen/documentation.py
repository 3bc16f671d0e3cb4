"""The documentation in a generated module: its header, and the docstrings that depend on the program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnspec.codegen.constants import literal
from rnnspec.codegen.render import checked, fill, free_text
from rnnspec.program.nodes import Activation, Epoch, Network, Program
from rnnspec.program.printer import print_time
from rnnspec.spec.activations import ACTIVATIONS


def title(program: Program) -> str:
    """Return the name and the summary of a program, in characters that are safe in a docstring."""
    name, summary = checked(program.name), free_text(program.summary)
    return f"{name}: {summary}" if summary else f"{name}."


def document(program: Program, roles: Sequence[str]) -> dict[str, object]:
    """Return the equations and facts of the header, and the docstrings by what they describe (`docs`)."""
    network = program.network
    return {
        "equations": {"rates": _rates(network), "outputs": _outputs(network)},
        "formula_f": formula(network.activation),
        "facts": list(_facts(program)),
        "docs": {
            "task": _task(program),
            "landings": _landings(program),
            "segment": _segment(program),
            "simulate": _simulate(program, roles),
            "loss": _loss(program, roles),
        },
    }


def formula(activation: Activation) -> str:
    """Return f(x) in the notation of a docstring."""
    return ACTIVATIONS[activation.name].formula_with([literal(value) for value in activation.arguments])


def _rates(network: Network) -> str:
    scale = literal(network.noise.scale)
    noise = {"none": "", "ou": f" + {scale} eta", "white": f" + {scale} sqrt(2 tau/dt) xi"}[
        network.noise.kind
    ]
    inputs = " + W_in u" if network.inputs else ""
    return f"tau dr/dt = -r + f(W_rec r + b{inputs}{noise}),  f(x) = {formula(network.activation)}"


def _outputs(network: Network) -> str:
    bias = " + c" if network.readout_bias else ""
    formulas = dict.fromkeys(formula(channel.activation) for channel in network.outputs)
    if len(formulas) == 1:
        return f"y = g(W_out r{bias}),  g(x) = {next(iter(formulas))}"
    each = ", ".join(f"{formula(c.activation)} for {checked(c.name)}" for c in network.outputs)
    return fill(f"y = g(W_out r{bias}),  g(x) = {each}", 8)


def _facts(program: Program) -> Iterable[str]:
    network, timeline = program.network, program.timeline
    yield _fact(
        "populations",
        (f"{checked(p.name)} {p.start}:{p.stop} (tau {print_time(p.tau)})" for p in network.populations),
    )
    if network.inputs:
        yield _fact("inputs", (f"{checked(c.name)} to {_listed(c.targets)}" for c in network.inputs))
    yield _fact("outputs", (f"{checked(c.name)} from {_listed(c.sources)}" for c in network.outputs))
    burn_in = [f"(burn-in {print_time(timeline.burn_in)})"] if timeline.burn_in else []
    yield _fact("trial", [*burn_in, *map(_length, timeline.epochs)])
    if program.skips:
        yield _fact("skips", (f"{checked(skip.name)} ({skip.kind})" for skip in program.skips))


def _fact(word: str, items: Iterable[str]) -> str:
    return f"{word:<14}{fill(', '.join(items), 14)}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(map(checked, names))


def _length(epoch: Epoch) -> str:
    jitter = f" +- {print_time(epoch.jitter)}" if epoch.jitter else ""
    length = print_time(epoch.duration.time) if epoch.duration.time is not None else "drawn"
    return f"{checked(epoch.name)} {length}{jitter}"


def _task(program: Program) -> str:
    clock = "  t: the seconds since the epoch began, (T, 1)." if _has_time(program) else ""
    return (
        "Every value has the axes (K', B, T, C).  An axis along which it is constant has length 1, and "
        f"values broadcast.  trial: the variables of a trial, by name.  y: the outputs by channel.{clock}"
    )


def _has_time(program: Program) -> bool:
    values = [
        *(drive.value for epoch in program.timeline.epochs for drive in epoch.drives),
        *(target.value for epoch in program.timeline.epochs for target in epoch.targets),
        *(epoch.weight for epoch in program.timeline.epochs if epoch.weight is not None),
    ]
    return any(value.type.rate.name == "POINT" for value in values)


def _landings(program: Program) -> str:
    edges = ", ".join(checked(skip.name) for skip in program.skips)
    increment = ", with F(r) - r of step `increment_step` (None for sctt),"
    increment = increment if any(skip.kind == "dasc" for skip in program.skips) else ""
    ragged = program.timeline.ragged
    own = "  sequences: the sequences concerned.  length: the steps that they skip." if ragged else ""
    return (
        f"landings: each mixes state `source`{increment} into state `state`.  "
        f"edge: the index of its beta; the order is {edges}.{own}"
    )


def _segment(program: Program) -> str:
    burn_in = ", -1 for the burn-in" if program.timeline.burn_in else ""
    own = (
        "  Sequences can differ in length: the steps are those of the longest, and the others wait in their "
        "last state.  clocks, lengths: the start and the steps of each sequence, or one for all."
    )
    return (
        f"epoch: its index in EPOCHS{burn_in}.  grace: the number of first steps without loss or score.  "
        f"gradient: whether its states carry gradient.{own if program.timeline.ragged else ''}"
    )


def _simulate(program: Program, roles: Sequence[str]) -> str:
    bias = ", readout_bias (K, C)" if program.network.readout_bias else ""
    betas = "  betas: one for each skip." if program.skips else ""
    forced = (
        "  forced_reads: (K, B, trials) by name, used instead of the values read from the outputs."
        if "read" in roles
        else ""
    )
    return (
        "weights: effective weights w_rec (K, N, N), where [k, i, j] is from unit j to unit i, "
        f"w_in (K, N, C), w_out (K, C, N), bias (K, N){bias}.  timetable: by default a MeanTimetable.  "
        f"dt: seconds per step.{betas}  seed, iteration, evaluation: select the random numbers.  "
        f"first_network: the number of network 0 in a larger ensemble.{forced}  initial: the state before "
        "the first step, (K, B, N), 0 by default.  current: added to the drive of each step, (K, B, T, N).  "
        "record: store rates and inputs."
    )


def _loss(program: Program, roles: Sequence[str]) -> str:
    timeline = program.timeline
    errors = {target.channel: target.error for epoch in timeline.epochs for target in epoch.targets}
    names = {"squared": "squared error", "cross_entropy": "cross-entropy"}
    kinds = dict.fromkeys(names[errors[c.name]] for c in program.network.outputs if c.name in errors)
    terms = [f"mean {kind}{' times weight' if 'weight' in roles else ''}" for kind in kinds]
    if terms and len(timeline.phases) > 1:
        each = " + ".join(terms)
        terms = [f"sum over phases of {each if len(terms) == 1 else f'({each})'}"]
    for penalty in program.training.penalties:
        terms.append(f"{literal(penalty.coefficient)} mean {_norm(penalty.quantity, penalty.norm)}")
    return " + ".join(terms) or "0: no targets, no penalties"


def _norm(quantity: str, norm: str) -> str:
    name = {"rate": "r", "w_rec": "W_rec", "w_in": "W_in", "w_out": "W_out"}[quantity]
    return f"|{name}|" if norm == "l1" else f"{name}^2"
