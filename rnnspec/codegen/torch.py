"""The torch target: a program as one standalone module of plain PyTorch, `graph.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from rnnspec.codegen.constants import literal
from rnnspec.codegen.expressions import with_callees
from rnnspec.codegen.functions import EpochFunctions, task_functions
from rnnspec.codegen.initial_weights import uses_orthogonal, weight_lines
from rnnspec.codegen.pieces import Code, break_lines, call
from rnnspec.codegen.render import free_text, identifier, quoted, render
from rnnspec.program.nodes import Activation, Epoch, Network, OutputChannel, Population, Program
from rnnspec.program.printer import print_time

#: f(x) as words and as Python.
_WORDS = {
    "linear": "x",
    "relu": "max(x, 0)",
    "tanh": "tanh(x)",
    "retanh": "tanh(max(x, 0))",
    "sigmoid": "1 / (1 + exp(-x))",
    "softplus": "log(1 + exp(x))",
    "softmax": "exp(x_i) / sum_j exp(x_j)",
    "leaky_relu": "x if x > 0 else {} x",
    "power": "max(x, 0)^{}",
}
_PYTHON = {
    "linear": "{x}",
    "relu": "torch.relu({x})",
    "tanh": "torch.tanh({x})",
    "retanh": "torch.tanh(torch.relu({x}))",
    "sigmoid": "torch.sigmoid({x})",
    "softplus": "torch.nn.functional.softplus({x}, 1.0, 40.0)",
    "softmax": "torch.softmax({x}, -1)",
    "leaky_relu": "torch.nn.functional.leaky_relu({x}, {a})",
    "power": "power({x}, {a})",
}


#: The functions an epoch may have, in the order in which they come into play.
ROLES = ("duration", "input", "varying", "target", "weight", "correct", "read", "after")


def emit(program: Program) -> str:
    """Return the source of `graph.py`: the same program gives the same bytes."""
    network, timeline, training = program.network, program.timeline, program.training
    task = task_functions(program)
    epochs = timeline.epochs
    channels = {channel.name: channel for channel in network.outputs}
    targeted = {target.channel for epoch in epochs for target in epoch.targets}
    entropy = sorted(n for n in targeted if _by_entropy(program, channels[n]))
    ragged, weighted = timeline.ragged, any(epoch.weight is not None for epoch in epochs)
    roles = [role for role in ROLES if any(role in functions.names for functions in task.epochs)]
    scored_phases = [quoted(p) for p in dict.fromkeys(e.phase for e in epochs if e.correct is not None)]
    phases = [quoted(phase) for phase in timeline.phases] or ['""']
    penalties = [
        {"quantity": p.quantity, "norm": p.norm, "coefficient": literal(p.coefficient)}
        for p in training.penalties
    ]
    context: dict[str, object] = {
        "name": quoted(program.name)[1:-1],
        "summary": free_text(program.summary, 100),
        "facts": _facts(program),
        "formula": _formula(network),
        "dt": literal(float(network.dt)),
        "units": network.units,
        "input_units": network.input_units,
        "output_units": network.output_units,
        "populations": [_population(p) for p in network.populations],
        "inputs": [{"name": quoted(c.name), "start": c.start, "stop": c.stop} for c in network.inputs],
        "outputs": [{"name": quoted(c.name), "start": c.start, "stop": c.stop} for c in network.outputs],
        "noise": {
            "kind": network.noise.kind,
            "scale": literal(network.noise.scale),
            "tau": literal(float(network.noise.tau)),
        },
        "groups": -(-network.units // 4),
        "activation": _python(network.activation, "x"),
        "step_activation": _python(network.activation, "total"),
        "power": _uses_power(network),
        "readout": _readout(network.outputs),
        "readout_bias": network.readout_bias,
        "trials": timeline.trials,
        "burn_in": _whole(timeline.burn_in, network.dt) if timeline.burn_in else 0,
        "ragged": ragged,
        "weighted": weighted,
        "uneven": ragged or weighted,
        "skips": [{"name": quoted(s.name)[1:-1]} for s in program.skips],
        "dasc": any(skip.kind == "dasc" for skip in program.skips),
        "independent": training.independent_trials,
        "task": task,
        "calls": with_callees(task.calls),
        "roles": roles,
        "epochs": [_epoch(network, epoch) for epoch in task.epochs],
        "phases": phases,
        "scored_phases": "PHASES" if scored_phases == phases else _tuple(scored_phases),
        "success": timeline.success is not None,
        "scored": timeline.scored is not None,
        "judged": " or ".join(f"epoch.{role}" for role in ("target", "correct") if role in roles) or "False",
        "clock": "varying" in roles or bool(task.clocks),
        "sctt": any(skip.kind == "sctt" for skip in program.skips),
        "edges": ", ".join(identifier(skip.name) for skip in program.skips),
        "squared": bool(targeted - set(entropy)),
        "entropy": _tuple([quoted(name) for name in entropy]) if entropy else "",
        "penalties": penalties,
        "rate_norms": [p["norm"] for p in penalties if p["quantity"] == "rate"],
        "weight_lines": weight_lines(network),
        "orthogonal": uses_orthogonal(network),
    }
    return render("torch/graph.py.j2", context)


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


# --- network -----------------------------------------------------------------------------------------


def _population(population: Population) -> dict[str, object]:
    return {
        "name": quoted(population.name),
        "start": population.start,
        "stop": population.stop,
        "tau": literal(float(population.tau)),
    }


def _formula(network: Network) -> dict[str, str]:
    """Return the terms of the model's equations as a docstring shows them."""
    noise = {"none": "", "ou": " + {} eta", "white": " + {} sqrt(2 tau / dt) xi"}[network.noise.kind]
    names = dict.fromkeys(channel.activation.name for channel in network.outputs)
    return {
        "noise": noise.format(literal(network.noise.scale)),
        "input": " + W_in u" if network.inputs else "",
        "f": _words(network.activation),
        "g": _words(network.outputs[0].activation) if len(names) == 1 else "by channel",
        "bias": " + c" if network.readout_bias else "",
    }


def _words(activation: Activation) -> str:
    return _WORDS[activation.name].format(*map(literal, activation.arguments))


def _python(activation: Activation, x: str) -> str:
    argument = literal(activation.arguments[0]) if activation.arguments else ""
    return _PYTHON[activation.name].format(x=x, a=argument)


def _uses_power(network: Network) -> bool:
    used = (network.activation, *(channel.activation for channel in network.outputs))
    return any(activation.name == "power" for activation in used)


def _readout(channels: tuple[OutputChannel, ...]) -> dict[str, object]:
    """Return how outputs follow from the readout x: one function of all, or one for each channel."""
    different = dict.fromkeys((c.activation.name, c.activation.arguments) for c in channels)
    softmax = any(channel.activation.name == "softmax" for channel in channels)
    alike = len(different) == 1 and (not softmax or len(channels) == 1)
    return {
        "alike": _python(channels[0].activation, "x") if alike else "",
        "sizes": ", ".join(str(channel.stop - channel.start) for channel in channels),
        "each": [(quoted(c.name), _python(c.activation, f"x[{quoted(c.name)}]")) for c in channels],
    }


def _by_entropy(program: Program, channel: OutputChannel) -> bool:
    return channel.activation.name == "softmax" and program.training.loss == "auto"


# --- timeline ----------------------------------------------------------------------------------------


def _epoch(network: Network, functions: EpochFunctions) -> str:
    epoch = functions.epoch
    facts = {
        "steps": str(_mean_steps(epoch, network.dt)),
        "grace": str(_whole(epoch.grace, network.dt) if epoch.grace else 0),
        "gradient": str(epoch.gradient),
        **functions.names,
    }
    arguments = [quoted(epoch.name), quoted(epoch.phase), *(f"{k}={v}" for k, v in facts.items())]
    return break_lines(call("Epoch", *map(Code, arguments)), 4, 1, 4)


def _mean_steps(epoch: Epoch, dt: Fraction) -> int:
    """Return the steps of an epoch without jitter, of a drawn duration amid its bounds."""
    if epoch.duration.time is not None:
        return _whole(epoch.duration.time, dt)
    assert epoch.duration.value is not None
    bounds = epoch.duration.value.type
    return max(1, math.floor((bounds.low + bounds.high) / 2 / float(dt) + 1e-6))


def _whole(time: Fraction, dt: Fraction) -> int:
    return max(1, time // dt)


def _facts(program: Program) -> list[tuple[str, list[str]]]:
    """Return what the module says about itself: words and the lines beside them."""
    network, timeline = program.network, program.timeline
    facts = [
        ("populations", [f"{p.name} {p.start}:{p.stop} (tau {print_time(p.tau)})" for p in network.populations])
    ]
    if network.inputs:
        facts.append(("inputs", [f"{c.name} {_size(c.start, c.stop, c.ring)} -> {_names(c.targets)}" for c in network.inputs]))
    outputs = [f"{c.name} {_size(c.start, c.stop, c.ring)} <- {_names(c.sources)}" for c in network.outputs]
    facts.append(("outputs", outputs))
    trial = [f"{epoch.name} {_length(epoch)}" for epoch in timeline.epochs]
    facts.append(("trial" if timeline.trials == 1 else f"{timeline.trials} trials", trial))
    return facts


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _size(start: int, stop: int, ring: bool) -> str:
    return f"{start}:{stop}{' ring' if ring else ''}"


def _length(epoch: Epoch) -> str:
    jitter = f" +- {print_time(epoch.jitter)}" if epoch.jitter else ""
    return (print_time(epoch.duration.time) if epoch.duration.time is not None else "drawn") + jitter
