"""Prints a program: complete, stable and easy to compare, without paths and line numbers."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Number,
    Output,
    Previous,
    Random,
    Rate,
    Type,
    Variable,
    White,
)
from rnnspec.program.nodes import (
    Annealing,
    Block,
    Distribution,
    Draw,
    Epoch,
    Event,
    Matrix,
    Network,
    PeriodicSkip,
    Program,
    Skip,
    Timeline,
    Training,
)
from rnnspec.program.operators import OPERATORS
from rnnspec.syntax.quantity import decimal


def print_program(program: Program) -> str:
    """Return the printed form of a program; it is the same for two programs only if they mean the same."""
    title = program.name + (f" ({program.label})" if program.label != program.name else "")
    sections = [
        [f"program {title}", *([f"  {program.summary}"] if program.summary else [])],
        list(_network(program.network)),
        list(_timeline(program.timeline)),
        list(_skips(program)),
        list(_training(program.training)),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def print_expression(node: Expression) -> str:
    """Return the printed form of an expression, with only the parentheses that it needs."""
    return _expression(node, 0)


def print_time(seconds: Fraction) -> str:
    """Return an exact time in milliseconds if it is below one second, else in seconds."""
    return f"{decimal(seconds * 1000)} ms" if abs(seconds) < 1 else f"{decimal(seconds)} s"


# --- network -----------------------------------------------------------------------------------------


def _network(network: Network) -> Iterator[str]:
    yield f"network: {network.units} units, dt {print_time(network.dt)}"
    for p in network.populations:
        sign = f", {p.sign}" if p.sign else ""
        yield f"  population {p.name} {p.start}:{p.stop}, tau {print_time(p.tau)}{sign}"
    yield f"  activation {_call(network.activation.name, network.activation.arguments)}"
    noise = network.noise
    tau = f", tau {print_time(noise.tau)}" if noise.kind == "ou" else ""
    yield f"  noise {noise.kind}" + (f", scale {_float(noise.scale)}{tau}" if noise.kind != "none" else "")
    for i in network.inputs:
        yield f"  input {i.name} {i.start}:{i.stop}{' ring' if i.ring else ''} -> {', '.join(i.targets)}"
    for o in network.outputs:
        activation = _call(o.activation.name, o.activation.arguments)
        ring = " ring" if o.ring else ""
        yield f"  output {o.name} {o.start}:{o.stop}{ring} <- {', '.join(o.sources)}, {activation}"
    for matrix in (network.w_rec, network.w_in, network.w_out):
        yield from _matrix(matrix)
    yield f"  bias {_distribution(network.bias)}"
    if network.readout_bias:
        yield "  readout bias"
    if any(b.sign for m in (network.w_rec, network.w_in, network.w_out) for b in m.blocks):
        yield f"  dale {network.dale}"


def _matrix(matrix: Matrix) -> Iterator[str]:
    radius = f", spectral radius {_float(matrix.radius)}" if matrix.radius is not None else ""
    yield f"  {matrix.name} {matrix.rows} x {matrix.columns}, {_distribution(matrix.init)}{radius}"
    for block in matrix.blocks:
        facts = list(_block(block))
        if facts:
            yield f"    {block.name}: {', '.join(facts)}"


def _block(block: Block) -> Iterator[str]:
    if not block.present:
        yield "none"
        return
    if block.init is not None:
        yield _distribution(block.init)
    if block.density < 1:
        yield f"density {_float(block.density)}"
    if not block.trainable:
        yield "frozen"
    if block.sign:
        yield block.sign
    if not block.self_connections:
        yield "no self-connections"


def _distribution(distribution: Distribution) -> str:
    return _call(distribution.name, distribution.arguments)


# --- task --------------------------------------------------------------------------------------------


def _timeline(timeline: Timeline) -> Iterator[str]:
    burn_in = f", burn-in {print_time(timeline.burn_in)}" if timeline.burn_in else ""
    yield f"timeline: trials {timeline.trials}{burn_in}"
    for draw in timeline.draws:
        yield from _draw(draw)
    for epoch in timeline.epochs:
        yield from _epoch(epoch)
    if timeline.success is not None:
        yield f"  success {print_expression(timeline.success)}"
    if timeline.scored is not None:
        yield f"  scored {print_expression(timeline.scored)}"


def _draw(draw: Draw) -> Iterator[str]:
    known = "" if draw.available is None else f", known after {draw.available} epochs"
    head = f"  {draw.scope} {draw.name}: {_type(draw.type)}{known} ="
    if draw.patterns is not None:
        yield f"{head} balanced"
        for pattern in draw.patterns:
            yield f"    {', '.join(print_expression(v) for v in pattern)}"
    else:
        yield f"{head} {', '.join(print_expression(v) for v in draw.values)}"


def _type(type: Type) -> str:
    kind = type.kind if type.size is None else f"vector {type.size}"
    return f"{kind} {_float(type.low)}..{_float(type.high)}"


def _epoch(epoch: Epoch) -> Iterator[str]:
    if epoch.duration.value is not None:
        length = f"{print_expression(epoch.duration.value)} s"
    else:
        length = print_time(epoch.duration.time or Fraction(0))
    facts = [length]
    facts += [f"jitter {print_time(epoch.jitter)}"] if epoch.jitter else []
    facts += [f"grace {print_time(epoch.grace)}"] if epoch.grace else []
    facts += [] if epoch.gradient else ["no gradient"]
    yield f"  epoch {epoch.name}: {', '.join(facts)}, phase {epoch.phase}"
    for drive in epoch.drives:
        yield f"    input {drive.channel}: {print_expression(drive.value)}{_varies(drive.value)}"
    for target in epoch.targets:
        error = " [cross-entropy]" if target.error == "cross_entropy" else ""
        yield f"    target {target.channel}: {print_expression(target.value)}{_varies(target.value)}{error}"
    if epoch.weight is not None:
        yield f"    weight {print_expression(epoch.weight)}"
    if epoch.correct is not None:
        yield f"    correct {print_expression(epoch.correct)}"
    for read in epoch.reads:
        yield f"    read {read.name}: {print_expression(read.value)}"


def _varies(value: Expression) -> str:
    return " [varies]" if value.type.rate is Rate.POINT else ""


# --- skips, training ---------------------------------------------------------------------------------


def _skips(program: Program) -> Iterator[str]:
    if program.skips:
        yield "skips"
        for skip in program.skips:
            yield f"  {skip.name}: {_skip(skip)}"
    if program.coarsening:
        yield f"coarsening theta {_annealing(program.coarsening, 'to 1')}"


def _skip(skip: Skip) -> str:
    kind = skip.kind if skip.kind == "sctt" else f"dasc {skip.increment_side}"
    if isinstance(skip, PeriodicSkip):
        where = f"every {print_time(skip.every)} per {skip.scope}"
    else:
        where = f"from {_event(skip.source)} to {_event(skip.target)}"
    return f"{kind}, {where}, beta {_annealing(skip.beta, 'to 1')}"


def _event(event: Event) -> str:
    name = f"{event.epoch or 'trial'}.{event.edge}"
    if not event.offset:
        return name
    return f"{name} {'+' if event.offset > 0 else '-'} {print_time(abs(event.offset))}"


def _annealing(annealing: Annealing, end: str) -> str:
    over = f"over {decimal(annealing.over)} iterations"
    return f"{decimal(annealing.start)} {end} in {annealing.increments} increments {over}"


def _training(training: Training) -> Iterator[str]:
    yield (
        f"training: {training.networks} networks, batch {training.batch}, "
        f"{training.iterations} iterations, seed {training.seed}"
    )
    options = "".join(f", {name} {_float(value)}" for name, value in training.optimizer.options)
    yield f"  {training.optimizer.kind}, learning rate {_float(training.optimizer.learning_rate)}{options}"
    for penalty in training.penalties:
        yield f"  penalty {penalty.quantity} {penalty.norm} {_float(penalty.coefficient)}"
    if training.clip is not None:
        yield f"  clip {_float(training.clip)}"
    if training.stop is not None:
        stop = training.stop
        of = "" if stop.of is None else f" of {', '.join(stop.of)}"
        yield f"  stop at performance {_float(stop.performance)}{of}, trim {_float(stop.trim)}"
    yield f"  trials {'independent' if training.independent_trials else 'shared'}"
    if training.evaluate_every:
        yield f"  evaluate every {training.evaluate_every}, batch {training.evaluate_batch}"


# --- expressions -------------------------------------------------------------------------------------

_LEVEL = {"or": 1, "and": 2, "not": 3, "lt": 4, "le": 4, "gt": 4, "ge": 4, "eq": 4, "ne": 4}
_LEVEL |= {"add": 5, "sub": 5, "mul": 6, "div": 6, "mod": 6, "neg": 7, "pow": 8}


def _expression(node: Expression, level: int) -> str:
    match node:
        case Number(value=value):
            text, own = _float(value), 7 if value < 0 else 9
        case Variable(name=name) | Output(name=name):
            return name
        case Clock():
            return "t"
        case Previous(name=name, initial=initial):
            return f"previous({name}, {_expression(initial, 0)})"
        case White(scale=scale, call=call):
            return f"white#{call}({_expression(scale, 0)})"
        case Random(function=function, arguments=arguments, call=call):
            return f"{function}#{call:08x}({', '.join(_expression(a, 0) for a in arguments)})"
        case Apply(function=function, arguments=(only,)) if function in OPERATORS:
            own = _LEVEL[function]
            text = f"{'not ' if function == 'not' else '-'}{_expression(only, own)}"
        case Apply(function=function, arguments=(left, right)) if function in OPERATORS:
            own = _LEVEL[function]
            # Subtraction, division and comparison are left associative; powers are right associative.
            sides = (own + 1, own) if function == "pow" else (own, own + 1)
            if own == 4:
                sides = (5, 5)
            symbol = OPERATORS[function].usage
            text = f"{_expression(left, sides[0])} {symbol} {_expression(right, sides[1])}"
        case Apply(function=function, arguments=arguments):
            return f"{function}({', '.join(_expression(a, 0) for a in arguments)})"
    return f"({text})" if own < level else text


def _call(name: str, arguments: tuple[float, ...]) -> str:
    return f"{name}({', '.join(_float(a) for a in arguments)})" if arguments else name


def _float(value: float) -> str:
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
