"""The engine of compiled kernels: what goes into a kernel for a batch, and what comes out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from rnnspec.codegen.cpp.arguments import RECORDS, Type
from rnnspec.codegen.cpp.kernel import Real
from rnnspec.codegen.cpp.task import variable_names
from rnnspec.program.nodes import Program
from rnnspec.runtime.activations import activate
from rnnspec.runtime.batch import Batch, Outcome, inputs_differ, variable_differs
from rnnspec.runtime.compiled.given import given_values
from rnnspec.runtime.compiled.kernel import Kernel
from rnnspec.runtime.compiled.operator import RESULTS, WEIGHTS, check_arrays, simulate
from rnnspec.runtime.compiled.origin import KernelOrigin
from rnnspec.runtime.device import REALS
from rnnspec.runtime.noise import Stream, jitter, key
from rnnspec.runtime.schedule import Timetable, epoch_steps, timetable

#: Integers below it are exact in float64.
_EXACT = 2**53

#: What is prepared: a batch, and the type of number of its weights.
_Request = tuple[Batch, torch.dtype]


@dataclass(frozen=True)
class _Prepared:
    """The timetables of a batch, and all arguments of the operator that follow from the batch alone.

    values: what variables are given, by name, (1, B, trials).
    """

    tables: list[Timetable]
    arguments: dict[str, Any]
    values: dict[str, Tensor]


class KernelEngine(ABC):
    """Runs the kernels of a program: one for each dtype, compiled when it is first needed.

    target: the name of the target, for messages.
    """

    target: str

    def __init__(self, program: Program) -> None:
        self.program = program
        # Remembered here and not by program, which takes long to compare.
        self._kernels: dict[torch.dtype, Kernel] = {}
        self._coefficients: dict[Fraction, tuple[list[float], list[float]]] = {}
        self._prepared: dict[torch.device, tuple[_Request, _Prepared]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """A loaded library cannot be copied: the copy finds its own."""
        return type(self), (self.program,)

    @abstractmethod
    def load(self, real: Real) -> Kernel:
        """Return the kernel for a type of number, from the cache or newly compiled."""

    def kernel(self, dtype: torch.dtype = torch.float32) -> Kernel:
        """Return the compiled kernel for weights of a dtype."""
        if dtype not in self._kernels:
            if dtype not in REALS:
                raise TypeError(f"The target {self.target} computes in float32 or float64, not in {dtype}.")
            self._kernels[dtype] = self.load(REALS[dtype])
        return self._kernels[dtype]

    def origin(self, dtype: torch.dtype) -> KernelOrigin:
        """Return what the bits of the kernel depend on."""
        return self.kernel(dtype).origin

    def run(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        *,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
    ) -> Outcome:
        """Simulate one batch with effective weights; see `batch.Engine`."""
        dtype, device, networks = weights["bias"].dtype, weights["bias"].device, len(weights["w_rec"])
        kernel = self.kernel(dtype)
        # Checked here too: on meta tensors the operator does not run.
        check_arrays(kernel, weights, {"networks": networks})
        unpack: Any = unpack_dual
        if any(unpack(weight).tangent is not None for weight in weights.values()):
            raise RuntimeError(
                f"The target {self.target} has no forward mode; the targets torch and reference do."
            )
        request, ready = self._prepared.get(device, (None, None))
        if ready is not None and request == (batch, dtype):
            del self._prepared[device]
        else:
            ready = self._prepare(batch, dtype, device)
        given = _given(kernel, ready.values | self._reads(forced_reads or {}, device))
        results = simulate(
            kernel=kernel.name,
            networks=networks,
            threads=torch.get_num_threads(),
            **ready.arguments,
            **{name: weights.get(name) for name in WEIGHTS},
            scale=None,
            of_rates=None,
            given=None if given is None else given.expand(-1, networks, -1, -1),
            gradient=torch.is_grad_enabled() and any(weight.requires_grad for weight in weights.values()),
            record=record,
        )
        return self._outcome(kernel, weights, ready, dict(zip(RESULTS, results, strict=True)), record)

    # --- what goes in ----------------------------------------------------------------------------------

    def prepare(self, networks: int, batch: Batch, dtype: torch.dtype, device: torch.device) -> None:
        """Make the timetables of a batch and begin to copy them to the device; see `batch.Engine`."""
        self._prepared[device] = (batch, dtype), self._prepare(batch, dtype, device)

    def _prepare(self, batch: Batch, dtype: torch.dtype, device: torch.device) -> _Prepared:
        program, theta = self.program, batch.stage.theta
        values = given_values(program, batch)
        rows = {name: _tensor([each], torch.float64) for name, each in values.items()}
        network, tables = program.network, self._timetables(self.kernel(dtype), batch, rows)
        longest = max(table.steps for table in tables)
        repeated = batch.sequences if len(tables) == 1 else 1
        learned = repeated * sum(s.steps for t in tables for s in t.segments if s.gradient)
        alpha, noise_gain = self._per_unit(theta)

        def tensor(values: Sequence[Any], dtype: torch.dtype) -> Tensor:
            return _moved(_tensor(values, dtype), device)

        arguments = {
            "sequences": batch.sequences,
            "longest": longest,
            "first_network": batch.first_network,
            "seed": batch.seed,
            "noise_key": key(batch, Stream.NOISE)[1],
            "white_key": key(batch, Stream.WHITE)[1],
            "draws_key": key(batch, Stream.DRAWS)[1],
            "dt": float(network.dt * theta),
            "first_gradient": min(
                (s.start for t in tables for s in t.segments if s.gradient and s.steps), default=longest
            ),
            "alpha": tensor(alpha, dtype),
            "noise_start": network.noise.scale,
            "noise_keep": _keep(program, theta),
            "noise_gain": tensor(noise_gain, dtype),
            "clock": _moved(_clock(network.dt * theta, longest), device),
            "betas": tensor(batch.stage.betas, torch.float64),
            "rate_points": float(learned * network.units),
            **_packed(tables, device),
        }
        return _Prepared(tables, arguments, {name: _moved(each, device) for name, each in rows.items()})

    def _per_unit(self, theta: Fraction) -> tuple[list[float], list[float]]:
        if theta not in self._coefficients:
            self._coefficients[theta] = _coefficients(self.program, theta)
        return self._coefficients[theta]

    def _timetables(self, kernel: Kernel, batch: Batch, values: Mapping[str, Tensor]) -> list[Timetable]:
        """Return the timetable of all sequences, or if they differ that of each."""
        program, stage = self.program, batch.stage
        extra = jitter(program, batch)
        drawn: Sequence[Sequence[Sequence[float | None]] | None] = [None]
        if program.timeline.ragged:
            numbers = {
                "sequences": batch.sequences,
                "first_network": batch.first_network,
                "seed": batch.seed,
                "draws_key": key(batch, Stream.DRAWS)[1],
                "dt": float(program.network.dt * stage.theta),
            }
            drawn = kernel.durations(program, numbers, _given(kernel, values))
        return [
            timetable(program, stage.theta, stage.betas, epoch_steps(program, stage.theta, extra, each))
            for each in drawn
        ]

    def _reads(self, forced: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """Return the values to be taken for reads, by name, (K, B, trials)."""
        reads = {read.name for epoch in self.program.timeline.epochs for read in epoch.reads}
        return {name: value.to(device, torch.float64) for name, value in forced.items() if name in reads}

    # --- what comes out --------------------------------------------------------------------------------

    def _outcome(
        self,
        kernel: Kernel,
        weights: Mapping[str, Tensor],
        ready: _Prepared,
        results: Mapping[str, Tensor],
        record: bool,
    ) -> Outcome:
        timeline, program = self.program.timeline, self.program
        dtype, scored = results["loss"].dtype, results["scored"]
        variables = dict(zip(kernel.variables, results["variables"].unbind(-1), strict=True))
        # The number of the condition, which the kernel does not have.
        variables |= {n: v.expand(len(scored), -1, -1) for n, v in ready.values.items() if n not in variables}
        correct = results["right"].to(dtype) / results["points"]
        fractions = torch.where(scored[..., None] != 0, correct, torch.nan)
        share = torch.where(fractions.isnan(), 0.0, results["steps"].to(dtype))
        trials = (fractions.nan_to_num() * share).sum(-1) / share.sum(-1)
        if timeline.success is not None:
            trials = torch.where(scored != 0, results["success"].to(dtype), torch.nan)
        judged = {epoch.phase for epoch in timeline.epochs if epoch.correct is not None}
        lengths = _moved(
            _tensor([table.steps for table in ready.tables], torch.int64), results["loss"].device
        )
        outcome = {}
        if record:
            alive = torch.arange(results["rates"].shape[2], device=lengths.device) < lengths[:, None]
            rates = torch.where(alive[..., None], results["rates"], torch.nan)
            inputs = torch.where(alive[..., None], results["inputs"].detach(), torch.nan)
            outcome = {
                "rates": rates,
                "outputs": _outputs(program, weights, rates),
                "inputs": inputs if inputs_differ(program) else inputs[:1],
            }
        return Outcome(
            loss=results["loss"],
            performance=trials.nanmean((1, 2)),
            mean_rate=results["mean_rate"].detach(),
            phase_performance={
                phase: fractions[..., number].nanmean((1, 2))
                for number, phase in enumerate(timeline.phases)
                if phase in judged
            },
            trial_performance=trials,
            variables={
                name: variables[name] if variable_differs(program, name) else variables[name][:1]
                for name in variable_names(program)
            },
            steps=lengths,
            **outcome,
        )


def _given(kernel: Kernel, values: Mapping[str, Tensor]) -> Tensor | None:
    """Return the argument of this name, (V, K or 1, B, trials), from the values of variables by name.

    values: (K or 1, B, trials).
    """
    known = {name: value for name, value in values.items() if name in kernel.variables}
    if not known:
        return None
    networks = max(map(len, known.values()))
    known = {name: value.expand(networks, -1, -1) for name, value in known.items()}
    nothing = torch.full_like(next(iter(known.values())), math.nan)
    return torch.stack([known.get(name, nothing) for name in kernel.variables])


def _outputs(program: Program, weights: Mapping[str, Tensor], rates: Tensor) -> Tensor:
    """Return what is read out of recorded rates: (K, B, T, C)."""
    x = rates.flatten(1, 2) @ weights["w_out"].mT
    if "readout_bias" in weights:
        x = x + weights["readout_bias"][:, None]
    pieces = [activate(c.activation, x[..., c.start : c.stop]) for c in program.network.outputs]
    every = torch.cat([*pieces, x[..., :0]], -1)
    return every.view(*rates.shape[:3], every.shape[-1])


# --- coefficients, computed in float64 ------------------------------------------------------------------


def _coefficients(program: Program, theta: Fraction) -> tuple[list[float], list[float]]:
    """Return alpha = dt theta / tau of each unit, and what a normal number adds to its noise."""
    network, step = program.network, program.network.dt * theta
    taus = [p.tau for p in network.populations for _ in range(p.start, p.stop)]
    gains = [0.0] * len(taus)
    if network.noise.kind == "ou":
        gains = [network.noise.scale * math.sqrt(2 * step / network.noise.tau)] * len(taus)
    if network.noise.kind == "white":
        gains = [network.noise.scale * math.sqrt(2 * tau / step) for tau in taus]
    return [float(step / tau) for tau in taus], gains


def _keep(program: Program, theta: Fraction) -> float:
    """Return what a step leaves of Ornstein-Uhlenbeck noise."""
    noise = program.network.noise
    return 1.0 - float(program.network.dt * theta / noise.tau) if noise.kind == "ou" else 0.0


def _clock(step: Fraction, steps: int) -> Tensor:
    """Return the seconds after 0 .. `steps` steps of so many seconds, each rounded once."""
    if max(steps * step.numerator, step.denominator) < _EXACT:
        counted = torch.arange(steps + 1, dtype=torch.float64, device="cpu")
        return counted * step.numerator / step.denominator
    # Quotients of integers of any size, which Python rounds once.
    return _tensor([n * step.numerator / step.denominator for n in range(steps + 1)], torch.float64)


def _tensor(values: Sequence[Any], dtype: torch.dtype) -> Tensor:
    """Return numbers as a tensor for a kernel, whatever the device of new tensors is.

    Made anew for each call: under `torch.export` it is a tensor without numbers.
    """
    return torch.tensor(values, dtype=dtype, device="cpu")


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; the copy to a GPU does not wait for what that does."""
    if device.type == tensor.device.type:
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def _packed(tables: Sequence[Timetable], device: torch.device) -> dict[str, Any]:
    """Return the arguments that say what happens when."""
    packed = [_packed_one(table) for table in tables]
    landings = [landing for _, found in packed for landing in found]
    return {
        "tables": len(tables),
        "segments": len(packed[0][0]),
        "landings": max(len(found) for _, found in packed),
        "segment": _moved(_tensor([segments for segments, _ in packed], torch.int32), device),
        "landing_first": _moved(
            _tensor([0, *accumulate(len(found) for _, found in packed)], torch.int64), device
        ),
        "landing": _moved(_tensor(landings, torch.int32).view(-1, len(RECORDS["Landing"].fields)), device),
    }


@lru_cache(maxsize=64)
def _packed_one(table: Timetable) -> tuple[list[list[int]], list[list[int]]]:
    """Return the records of the segments and of the landings of a timetable."""
    segments = [_record("Segment", **vars(segment)) for segment in table.segments]
    landings = [
        _record(
            "Landing",
            state=x.state,
            source=x.source,
            increment=-1 if x.increment_step is None else x.increment_step,
            edge=x.edge,
        )
        for x in table.landings
    ]
    return segments, landings


def _record(name: Type, **values: Any) -> list[int]:
    """Return the values of a record in the order of the table."""
    return [int(values[field]) for field in RECORDS[name].fields]
