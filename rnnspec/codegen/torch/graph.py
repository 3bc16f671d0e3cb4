"""The torch target: a program as one standalone module of plain PyTorch, `graph.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rnnspec.codegen.code import WIDTH, Code, break_lines, call
from rnnspec.codegen.constants import literal
from rnnspec.codegen.documentation import document, title
from rnnspec.codegen.render import quoted, render
from rnnspec.codegen.task import EPOCH_ROLES
from rnnspec.codegen.torch.activations import activated
from rnnspec.codegen.torch.initial_weights import uses_orthogonal, weight_lines
from rnnspec.codegen.torch.language import TORCH
from rnnspec.codegen.torch.task import TaskFunctions, write_task
from rnnspec.program.dealing import combinations, evaluations_apart
from rnnspec.program.means import mean_trial_steps
from rnnspec.program.nodes import Network, OutputChannel, Program
from rnnspec.program.timing import whole_steps
from rnnspec.spec.activations import ACTIVATIONS


def emit(program: Program) -> str:
    """Return the source of `graph.py`; the same program gives the same bytes."""
    task = write_task(program)
    roles = [role for role in EPOCH_ROLES if any(role in names for names in task.names)]
    return render(
        "torch/graph.py.j2",
        {
            "title": title(program),
            **document(program, roles),
            **_network(program.network),
            **_task(program, task, roles),
            **_objective(program, task, roles),
        },
    )


# --- network -----------------------------------------------------------------------------------------


def _network(network: Network) -> dict[str, object]:
    activations = (network.activation, *(channel.activation for channel in network.outputs))
    names = ["w_rec", "w_in", "w_out", "bias", *(["readout_bias"] if network.readout_bias else [])]
    return {
        "dt": literal(float(network.dt)),
        "units": network.units,
        "populations": _slices("POPULATIONS", "", [(p.name, p.start, p.stop) for p in network.populations]),
        "tau": " + ".join(f"[{tau}] * {count}" for tau, count in _time_constants(network)),
        "driven": bool(network.inputs),
        "input_units": network.input_units,
        "input_channels": _slices(
            "INPUT", "columns of W_in", [(c.name, c.start, c.stop) for c in network.inputs]
        ),
        "output_channels": _slices(
            "OUTPUT", "rows of W_out", [(c.name, c.start, c.stop) for c in network.outputs]
        ),
        "noise": {
            "kind": network.noise.kind,
            "scale": literal(network.noise.scale),
            "tau": literal(float(network.noise.tau)),
        },
        "groups": -(-network.units // 4),
        "activation": activated(network.activation, "total"),
        "activations": sorted({activation.name for activation in activations}),
        "readouts": _readouts(network.outputs),
        "readout_bias": network.readout_bias,
        "weight_lines": weight_lines(network),
        "weight_names": f"{{{', '.join(f'{quoted(name)}: {name}' for name in names)}}}",
        "orthogonal": uses_orthogonal(network),
    }


def _slices(name: str, comment: str, ranges: Iterable[tuple[str, int, int]]) -> str:
    entries = [f"{quoted(key)}: slice({start}, {stop})" for key, start, stop in ranges]
    note = f"  # {comment}" if comment else ""
    together = f"{name} = {{{', '.join(entries)}}}{note}"
    if len(together) <= WIDTH:
        return together
    return f"{name} = {{{note}\n" + "".join(f"    {entry},\n" for entry in entries) + "}"


def _time_constants(network: Network) -> list[tuple[str, int]]:
    """Return each tau and its number of units; neighbours with the same tau are joined."""
    found: list[tuple[str, int]] = []
    for population in network.populations:
        tau, count = literal(float(population.tau)), population.stop - population.start
        if found and found[-1][0] == tau:
            count += found.pop()[1]
        found.append((tau, count))
    return found


def _readouts(channels: Sequence[OutputChannel]) -> dict[str, object]:
    """Return how outputs follow from the readout x: one function for all channels, or one for each."""
    first = channels[0].activation
    kinds = {(channel.activation.name, channel.activation.arguments) for channel in channels}
    alike = len(kinds) == 1 and (not ACTIVATIONS[first.name].distribution or len(channels) == 1)
    return {
        "alike": activated(first, "x") if alike else "",
        "sizes": f"[{', '.join(str(channel.stop - channel.start) for channel in channels)}]",
        "each": [(quoted(c.name), activated(c.activation, f"x[{quoted(c.name)}]")) for c in channels],
    }


# --- task --------------------------------------------------------------------------------------------


def _task(program: Program, task: TaskFunctions, roles: Sequence[str]) -> dict[str, object]:
    timeline, dt = program.timeline, program.network.dt
    columns = ["name", "phase", "steps", "grace", "gradient", *roles]
    rows = [
        [
            quoted(e.name),
            quoted(e.phase),
            str(steps),
            str(whole_steps(e.grace, dt)),
            str(e.gradient),
            *_given(names, roles),
        ]
        for e, steps, names in zip(timeline.epochs, mean_trial_steps(timeline, dt), task.names, strict=True)
    ]
    optional = [f"{role}=None" for role in roles]
    words = ["call: int"]
    words += ["trial: int | None = None"] if task.sequence else []
    words += ["shared: bool = False"] if task.shared else []
    return {
        "task": task,
        "roles": roles,
        "calls": TORCH.with_callees(task.calls),
        "combinations": combinations(timeline),
        "evaluations_apart": evaluations_apart(program),
        "trials": timeline.trials,
        "ragged": timeline.ragged,
        "independent": program.training.independent_trials,
        "epoch_signature": break_lines(
            call("__init__", *map(Code, ["self", *columns[:5], *optional])), 8, 1, 4
        ),
        "epoch_assignments": [f"self.{role} = {role}" for role in roles],
        "epoch_columns": ", ".join(columns),
        "epochs": [break_lines(call("Epoch", *map(Code, row)), 4, 1, 4) for row in rows],
        "burn_in": f'Epoch("burn_in", "", {whole_steps(timeline.burn_in, dt)}, 0, False)'
        if timeline.burn_in
        else "",
        "words_parameters": ", ".join(words),
        "seconds": "varying" in roles or bool(task.clocks),
        "uses_epoch": any(role in roles for role in ("input", "varying", "read", "after")),
        "own_steps": program.network.noise.kind != "none" or task.white,
        "recorded_input": _recorded_input(program, roles),
        "skips": bool(program.skips),
        "sctt": any(skip.kind == "sctt" for skip in program.skips),
        "dasc": any(skip.kind == "dasc" for skip in program.skips),
    }


def _given(names: Mapping[str, str], roles: Sequence[str]) -> list[str]:
    """Return the functions of an epoch as arguments: positional up to the first missing one, then by name."""
    arguments: list[str] = []
    for position, role in enumerate(roles):
        if role in names:
            arguments.append(names[role] if position == len(arguments) else f"{role}={names[role]}")
    return arguments


def _recorded_input(program: Program, roles: Sequence[str]) -> str:
    if "varying" in roles:
        return "record_inputs(u, varying, sequences, last - first)"
    if "input" in roles:
        return "u[:, :, None].expand(-1, sequences, last - first, -1)"
    return f"like.new_zeros(1, sequences, last - first, {program.network.input_units})"


# --- objective ---------------------------------------------------------------------------------------


def _objective(program: Program, task: TaskFunctions, roles: Sequence[str]) -> dict[str, object]:
    timeline = program.timeline
    errors = {target.channel: target.error for epoch in timeline.epochs for target in epoch.targets}
    entropy = [c.name for c in program.network.outputs if errors.get(c.name) == "cross_entropy"]
    phases = list(timeline.phases) or ["none"]
    scored = list(dict.fromkeys(epoch.phase for epoch in timeline.epochs if epoch.correct is not None))
    penalties = [
        {
            "quantity": penalty.quantity,
            "size": "abs" if penalty.norm == "l1" else "square",
            "coefficient": literal(penalty.coefficient),
        }
        for penalty in program.training.penalties
    ]
    # The mean rate is always reported.
    rate_norms = dict.fromkeys(["abs", *(p["size"] for p in penalties if p["quantity"] == "rate")])
    judging = [f"epoch.{role}" for role in ("target", "correct") if role in roles]
    squared = "squared" in errors.values()
    correct = ["trial", "y" if squared else "outputs(x)", *(["t"] if "correct" in task.clocks else [])]
    weighted = "weight" in roles
    return {
        "phases": _names(phases),
        "scored_phases": "PHASES" if scored == phases else _names(scored),
        "squared": squared,
        "entropy": _names(entropy) if entropy else "",
        "weighted": weighted,
        "uneven": weighted or timeline.ragged,
        "penalties": penalties,
        "rate_norms": rate_norms,
        "roles_judged": " or ".join(judging),
        "judged": " or ".join([*judging, "result.record", *(["segment.gradient"] if rate_norms else [])]),
        "correct_call": f"epoch.correct({', '.join(correct)})",
        "success": timeline.success is not None,
        "scored": timeline.scored is not None,
    }


def _names(names: Sequence[str]) -> str:
    return f"({', '.join(map(quoted, names))}{',' if len(names) == 1 else ''})"
