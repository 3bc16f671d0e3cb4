"""Generated tasks in C++, compiled and compared with the interpreter number by number."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rnnspec.codegen.cpp.task import task_context, variable_names
from rnnspec.codegen.render import render
from rnnspec.program.expression_nodes import Expression, Rate
from rnnspec.program.nodes import Epoch, Program
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.noise import Stream, key, white_input
from rnnspec.runtime.reference.interpret import Environment, draw, evaluate, settle

SHARED_PREAMBLE = """
#include <cmath>
#include <cstdint>
struct Words { uint32_t w[4]; };
static Words philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
    for (int turn = 0; turn < 10; ++turn) {
        const uint64_t p0 = uint64_t(c0) * 0xD2511F53, p1 = uint64_t(c2) * 0xCD9E8D57;
        c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
        c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
        c1 = uint32_t(p1);
        c3 = uint32_t(p0);
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return {{c0, c1, c2, c3}};
}
"""

SHIM = """
extern "C" {
void NAME_draw(Trial* now, const Place* at) { draw(*now, *at); }
void NAME_settle(int known, Trial* now, const Place* at) { settle(known, *now, *at); }
void NAME_input(int e, const Trial* now, const Place* at, real* u) { input(e, *now, *at, u); }
void NAME_varying(int e, const Trial* now, const Place* at, double t, uint32_t s, real* u) {
    varying_input(e, *now, *at, t, s, u);
}
void NAME_target(int e, const Trial* now, const Place* at, double t, real* y) { target(e, *now, *at, t, y); }
double NAME_weight(int e, const Trial* now, const Place* at, double t) { return weight(e, *now, *at, t); }
bool NAME_correct(int e, const Trial* now, const Place* at, const real* y, double t) {
    return correct(e, *now, *at, y, t);
}
void NAME_read(int e, Trial* now, const Place* at, const real* y) { read(e, *now, *at, y); }
bool NAME_success(const Trial* now, const Place* at) { return success(*now, *at); }
bool NAME_scored(const Trial* now, const Place* at) { return scored(*now, *at); }
void NAME_durations(const Trial* now, const Place* at, double* s) { durations(*now, *at, s); }
void NAME_flags(int e, int* f) {
    f[0] = VARIES[e], f[1] = TIMED_TARGET[e], f[2] = WEIGHTED[e], f[3] = TIMED_WEIGHT[e];
    f[4] = CORRECT[e], f[5] = READS[e], f[6] = VARIABLES, f[7] = VARYING;
}
int NAME_column(int i) { return VARYING_COLUMNS[i]; }
}
"""


class Place(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("seed", "draws", "white", "trial", "sequence", "sequences")),
        ("network", ctypes.c_uint32),
        ("dt", ctypes.c_double),
        ("before", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("apart", ctypes.c_int64),
    )


def source(program: Program) -> str:
    """Return the task of a program as C++, without the other parts of a kernel."""
    context = task_context(program)
    return render("cpp/language.cpp.j2", context) + render("cpp/task.cpp.j2", context)


def unit(program: Program, name: str = "one", real: str = "double") -> str:
    """Return the task in a namespace, with the declarations that it needs and functions that call it."""
    rows = " ".join(f"constexpr int {c.name}_ = {c.start + 3};" for c in program.network.outputs)
    return (
        f"namespace {name} {{\nusing real = {real};\nnamespace at {{ {rows} }}\n"
        f"constexpr int EPOCHS = {len(program.timeline.epochs)}, TRIALS = {program.timeline.trials};\n"
        f"constexpr int INPUTS = {program.network.input_units};\n"
        + source(program)
        + SHIM.replace("NAME", name)
        + "}\n"
    )


def compiled(folder: Path, *programs: Program, real: str = "double") -> list[Kernel]:
    """Compile the tasks of some programs into one library."""
    names = [f"case{i}" for i in range(len(programs))]
    units = (unit(program, name, real) for program, name in zip(programs, names, strict=True))
    loaded = load_library(folder, SHARED_PREAMBLE + "".join(units))
    return [Kernel(program, loaded, name) for program, name in zip(programs, names, strict=True)]


def load_library(folder: Path, source: str) -> ctypes.CDLL:
    """Compile a source without any warning, and load it."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    text, library = folder / "source.cpp", folder / "source.so"
    text.write_text(source, encoding="utf-8")
    command = [compiler, "-std=c++17", "-Wall", "-Werror", "-shared", "-fPIC", "-O0"]
    done = subprocess.run(
        [*command, str(text), "-o", str(library)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


@dataclass(frozen=True)
class Kernel:
    """A compiled task."""

    program: Program
    library: ctypes.CDLL
    name: str

    def call(self, function: str, *arguments: Any, result: Any = None) -> Any:
        found = getattr(self.library, f"{self.name}_{function}")
        found.restype = result
        return found(*arguments)


def assert_agrees(kernel: Kernel, theta: Fraction = Fraction(1), purpose: Any = "train") -> None:
    """Compare all values of a task in a batch of 5 sequences and 2 networks."""
    program = kernel.program
    batch = Batch(5, 7, 11, purpose, Stage(theta, ()), first_network=3)
    wanted = _Reference(program, batch, 2)
    for k in range(2):
        for b in range(batch.sequences):
            before = None
            for trial in range(program.timeline.trials):
                before = _Comparison(kernel, wanted, k, b, trial, before).run()


class _Reference:
    """The trials of a batch by the interpreter: the values of every epoch, for random outputs."""

    def __init__(self, program: Program, batch: Batch, networks: int) -> None:
        self.program, self.batch, self.networks = program, batch, networks
        drawn = draw(program, batch, networks)
        self.durations = drawn.durations
        self.trials = [dict(variables) for variables in drawn.variables]
        generator = torch.Generator().manual_seed(5)
        self.readouts = [
            [
                torch.rand(
                    networks,
                    batch.sequences,
                    program.network.output_units,
                    generator=generator,
                    dtype=torch.float64,
                )
                for _ in program.timeline.epochs
            ]
            for _ in self.trials
        ]
        #: The variables after each number of epochs of a trial.
        self.known: list[list[dict[str, Tensor]]] = []
        for trial in range(len(self.trials)):
            self._settle(trial, 0)
            self.known.append([dict(self.trials[trial])])
            for number, epoch in enumerate(program.timeline.epochs):
                for read in epoch.reads:
                    environment = self.environment(trial, number, 0.0)
                    self.trials[trial][read.name] = evaluate(read.value, environment)
                self._settle(trial, number + 1)
                self.known[trial].append(dict(self.trials[trial]))

    def _settle(self, trial: int, known: int) -> None:
        for variable in self.program.timeline.draws:
            if variable.available == known:
                self.trials[trial][variable.name] = settle(
                    self.program, self.batch, variable, trial, self.trials, self.networks
                )

    def environment(self, trial: int, epoch: int, t: float) -> Environment:
        y = self.readouts[trial][epoch]
        outputs = {
            c.name: y[..., c.start : c.stop] if c.stop - c.start > 1 else y[..., c.start]
            for c in self.program.network.outputs
        }
        return Environment(
            torch.device("cpu"),
            self.trials[trial],
            self.trials[trial - 1] if trial else None,
            outputs=outputs,
            clock=torch.tensor([[[t]]], dtype=torch.float64),
        )

    def white(self, columns: range, step: int, size: int | None) -> Any:
        def white(call: int) -> Tensor:
            networks = self.networks if self.program.training.independent_trials else None
            fresh = white_input(self.program, self.batch, call, columns, torch.tensor([step]), networks)
            return fresh[:, :, 0] if size is not None else fresh[:, :, 0, 0]

        return white


@dataclass(frozen=True)
class _Comparison:
    """One trial of one sequence of one network."""

    kernel: Kernel
    wanted: _Reference
    k: int
    b: int
    trial: int
    before: Any

    def run(self) -> Any:
        """Compare all values and return the variables."""
        program, batch = self.kernel.program, self.wanted.batch
        names = variable_names(program)
        now = (ctypes.c_double * max(1, len(names)))(*[math.nan] * len(names))
        place = Place(
            batch.seed,
            key(batch, Stream.DRAWS)[1],
            key(batch, Stream.WHITE)[1],
            self.trial,
            self.b,
            batch.sequences,
            batch.first_network + self.k,
            float(program.network.dt * batch.stage.theta),
            None if self.before is None else ctypes.addressof(self.before),
        )
        given = ctypes.byref(now), ctypes.byref(place)
        self.kernel.call("draw", *given)
        self.kernel.call("settle", 0, *given)
        self._variables(names, now, self.wanted.known[self.trial][0])
        seconds = (ctypes.c_double * len(program.timeline.epochs))()
        self.kernel.call("durations", *given, seconds)
        for number, epoch in enumerate(program.timeline.epochs):
            fixed = epoch.duration.value is None
            drawn = self.wanted.durations[self.b][self.trial][number] if self.wanted.durations else None
            self._same(f"duration of {epoch.name}", seconds[number], math.nan if fixed else drawn)
            for t, step in ((0.0, 17), (0.035, 300)):
                self._epoch(number, epoch, t, step, given)
            y = self._outputs(number)
            self.kernel.call("read", number, *given, y)
            self.kernel.call("settle", number + 1, *given)
            self._variables(names, now, self.wanted.known[self.trial][number + 1])
        environment = self.wanted.environment(self.trial, 0, 0.0)
        for name, value in (("success", program.timeline.success), ("scored", program.timeline.scored)):
            judged = self.kernel.call(name, *given, result=ctypes.c_bool)
            wanted = True if value is None else self._of(evaluate(value, environment), None) != [0.0]
            assert judged == wanted, name
        return now

    def _variables(self, names: Sequence[str], now: Any, known: Mapping[str, Tensor]) -> None:
        for place, name in enumerate(names):
            if name in known:
                self._same(name, now[place], self._of(known[name], None)[0])

    def _epoch(self, number: int, epoch: Epoch, t: float, step: int, given: Any) -> None:
        program, kernel = self.kernel.program, self.kernel
        environment = self.wanted.environment(self.trial, number, t)
        flags = (ctypes.c_int * 8)()
        kernel.call("flags", number, flags)
        changing = [d for d in epoch.drives if d.value.type.rate is Rate.POINT]
        assert [bool(f) for f in (flags[0], flags[2], flags[4], flags[5])] == [
            bool(changing),
            epoch.weight is not None,
            epoch.correct is not None,
            bool(epoch.reads),
        ]
        # Constant and varying inputs are written to different rows.
        u = (ctypes.c_double * max(1, program.network.input_units))()
        varying = (ctypes.c_double * max(1, flags[7]))(*[math.nan] * flags[7])
        kernel.call("input", number, *given, u)
        kernel.call("varying", number, *given, ctypes.c_double(t), ctypes.c_uint32(step), varying)
        wanted = [0.0] * program.network.input_units
        columns = [kernel.call("column", i, result=ctypes.c_int) for i in range(flags[7])]
        total = list(u)
        for place, column in enumerate(columns):
            total[column] += varying[place]
        for drive in epoch.drives:
            channel = next(c for c in program.network.inputs if c.name == drive.channel)
            own, size = range(channel.start, channel.stop), drive.value.type.size
            seen = replace(environment, white=self.wanted.white(own, step, size))
            values = self._of(evaluate(drive.value, seen), size)
            for place, column in enumerate(own):
                wanted[column] = values[place] if size is not None else values[0]
                assert (column in columns) or drive not in changing
        for column, value in enumerate(wanted):
            self._same(f"input {column} of {epoch.name}", total[column], value)
        self._judged(number, epoch, t, given, environment, flags)

    def _judged(
        self, number: int, epoch: Epoch, t: float, given: Any, environment: Environment, flags: Any
    ) -> None:
        program, kernel, clock = self.kernel.program, self.kernel, ctypes.c_double(t)
        y = (ctypes.c_double * (program.network.output_units + 3))(*[99.0] * 3)
        kernel.call("target", number, *given, clock, y)
        wanted = [99.0] * 3 + [0.0] * program.network.output_units
        for target in epoch.targets:
            channel = next(c for c in program.network.outputs if c.name == target.channel)
            values = self._of(evaluate(target.value, environment), target.value.type.size)
            for place in range(channel.stop - channel.start):
                wanted[3 + channel.start + place] = values[place % len(values)]
        for place, value in enumerate(wanted):
            self._same(f"target {place} of {epoch.name}", y[place], value)
        weight = kernel.call("weight", number, *given, clock, result=ctypes.c_double)
        self._same("weight", weight, 1.0 if epoch.weight is None else self._one(epoch.weight, environment))
        right = kernel.call("correct", number, *given, self._outputs(number), clock, result=ctypes.c_bool)
        assert right == (epoch.correct is not None and self._one(epoch.correct, environment) != 0.0)

    def _one(self, value: Expression, environment: Environment) -> float:
        return self._of(evaluate(value, environment), None)[0]

    def _outputs(self, number: int) -> Any:
        y = self.wanted.readouts[self.trial][number][self.k, self.b].tolist()
        return (ctypes.c_double * (len(y) + 3))(0.0, 0.0, 0.0, *y)

    def _of(self, value: Tensor, size: int | None) -> list[float]:
        """Return a value for this network and sequence; a vector as a list of its units."""
        if size is None:
            value = value.unsqueeze(-1)
        value = value.reshape(-1, *value.shape[-3:])[0]
        k, b = min(self.k, value.shape[0] - 1), min(self.b, value.shape[1] - 1)
        found: list[float] = value[k, b].tolist()
        return found

    def _same(self, what: str, found: float, wanted: float | None) -> None:
        assert wanted is not None
        same = math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-12)
        assert same or (math.isnan(found) and math.isnan(wanted)), f"{what}: {found} != {wanted}"
