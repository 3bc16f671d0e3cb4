"""The task of a generated kernel, for one trial: draws; inputs, targets, scores and reads of epochs."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnnspec.codegen.code import WIDTH
from rnnspec.codegen.constants import value_of
from rnnspec.codegen.cpp.expressions import CppWriter, variable
from rnnspec.codegen.cpp.language import CPP
from rnnspec.codegen.expressions import Kind
from rnnspec.codegen.task import DRAW, EPOCH_ROLES, TRIAL_ROLES, Function, changing, share, steady
from rnnspec.program.dealing import combinations, deals, evaluations_apart
from rnnspec.program.expression_nodes import Clock, Expression, walk
from rnnspec.program.nodes import Draw, Drive, Epoch, InputChannel, OutputChannel, Program
from rnnspec.program.timing import duration_draws

#: What the functions of a task may take, in the order in which they take it.
_PARAMETERS = {
    "now": "const Trial& now",
    "place": "const Place& place",
    "y": "const real* y",
    "t": "double t",
    "step": "uint32_t step",
    "u": "real* u",
}
#: What the functions of each role return, and what they write to.
_RETURNS = {"duration": "double", "weight": "double", "correct": "bool"}
_WRITES = {"input": "u", "varying": "u", "target": "y", "read": "now"}


@dataclass(frozen=True)
class CppFunction(Function):
    """A function of the kernel; arguments: of its call, as the function that dispatches to it names them."""

    returns: str
    arguments: str

    @property
    def call(self) -> str:
        return f"{self.name}({self.arguments})"


@dataclass(frozen=True)
class Case:
    """The epochs, by number, that share a function, and its call."""

    epochs: tuple[int, ...]
    call: str

    @property
    def label(self) -> str:
        return " ".join(f"case {epoch}:" for epoch in self.epochs)


@dataclass(frozen=True)
class TaskSource:
    """The functions of a task, ready for templates/cpp/task.cpp.j2.

    cases: for each role, which epochs call which function.  settled: which functions compute the draws that
    become known after some epochs.  varying: the columns of w_in that vary within some epoch.  same_inputs:
    whether they are the same for all networks, true or false.  flags: what each epoch has, by the name of
    the array that says so.
    """

    variables: tuple[str, ...]
    draw: CppFunction | None
    functions: tuple[CppFunction, ...]
    cases: Mapping[str, tuple[Case, ...]]
    settled: tuple[Case, ...]
    judges: tuple[tuple[str, CppFunction | None, str], ...]
    independent: bool
    varying: tuple[int, ...]
    same_inputs: str
    flags: Mapping[str, str]
    epochs: str


def variable_names(program: Program) -> tuple[str, ...]:
    """Return the draws and reads of a program: the members of a Trial, in order."""
    draws = [draw.name for draw in program.timeline.draws]
    reads = [read.name for epoch in program.timeline.epochs for read in epoch.reads]
    return tuple(dict.fromkeys([*draws, *reads]))


def varying_columns(program: Program) -> tuple[int, ...]:
    """Return the columns of w_in whose input varies within some epoch, in order."""
    inputs = {channel.name: channel for channel in program.network.inputs}
    drives = [drive for epoch in program.timeline.epochs for drive in changing(epoch)]
    return tuple(sorted({column for drive in drives for column in _columns(inputs[drive.channel])}))


def task_context(program: Program) -> dict[str, object]:
    """Return what the templates language.cpp.j2 and task.cpp.j2 need."""
    writer = _TaskWriter(program)
    task = writer.task()
    return {
        "calls": CPP.with_callees(writer.calls),
        "rings": tuple(map(_ring, sorted(writer.rings))),
        "combinations": combinations(program.timeline),
        "evaluations_apart": evaluations_apart(program),
        "task": task,
    }


@dataclass(frozen=True)
class Ring:
    """The preferred directions 2 pi i / units of a ring: lines of their sines and cosines."""

    units: int
    sines: tuple[str, ...]
    cosines: tuple[str, ...]


def _ring(units: int) -> Ring:
    directions = [2 * math.pi * i / units for i in range(units)]

    def lines(function: Callable[[float], float]) -> tuple[str, ...]:
        return tuple(textwrap.wrap(", ".join(repr(function(x)) for x in directions), WIDTH - 8))

    return Ring(units, lines(math.sin), lines(math.cos))


class _TaskWriter:
    """Writes the functions of one task.

    calls: the functions that the source must define for them.  rings: the sizes of rings that they decode.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.timeline = program.timeline
        self.deals = deals(program.timeline)
        self.shared = duration_draws(program.timeline)
        self.calls: set[str] = set()
        self.rings: set[int] = set()
        self.inputs = {channel.name: channel for channel in program.network.inputs}
        self.outputs = {channel.name: channel for channel in program.network.outputs}
        self.varying = varying_columns(program)
        self.numbers = {name: number for number, name in enumerate(variable_names(program))}

    def task(self) -> TaskSource:
        """Write everything."""
        functions, cases = self._epochs()
        settled: list[Case] = []
        for known, epoch in enumerate((None, *self.timeline.epochs)):
            when = f"after {epoch.name}" if epoch else "at the start of a trial"
            name = f"settle_{variable(epoch.name)}" if epoch else "settle_start"
            function = self._draws(name, known, f"Compute what depends on reads and is known {when}.")
            if function is not None:
                functions.append(function)
                settled.append(Case((known,), function.call))
        return TaskSource(
            tuple(variable(name) for name in variable_names(self.program)),
            self._draws("draw", None, DRAW),
            tuple(functions),
            cases,
            tuple(settled),
            tuple(
                (name, self._judge(name, getattr(self.timeline, name), doc), doc)
                for name, doc in TRIAL_ROLES.items()
            ),
            self.program.training.independent_trials,
            self.varying,
            str(not self._own_inputs()).lower(),
            self._flags(),
            ", ".join(variable(epoch.name)[:-1] for epoch in self.timeline.epochs),
        )

    def _own_inputs(self) -> bool:
        """Whether the inputs that vary within an epoch may differ between networks."""
        drives = [drive for epoch in self.timeline.epochs for drive in changing(epoch)]
        return self.program.training.independent_trials or any(drive.value.type.reads for drive in drives)

    # --- draws ---------------------------------------------------------------------------------------

    def _draws(self, name: str, available: int | None, doc: str) -> CppFunction | None:
        draws = [draw for draw in self.timeline.draws if draw.available == available]
        if not draws:
            return None
        writer = CppWriter()
        lines: list[str] = []
        for draw in draws:
            own = self.program.training.independent_trials and draw.name not in self.shared
            trial = "EVERY_TRIAL" if draw.scope == "sequence" else "place.trial"
            writer.stream = f"{trial}, {'place.network' if own else 'EVERY_NETWORK'}"
            lines += self._draw(writer, draw)
        return self._function(writer, name, "void", doc, lines, writes="now")

    def _draw(self, writer: CppWriter, draw: Draw) -> list[str]:
        name = variable(draw.name)
        if draw.patterns is None and len(draw.values) == 1:
            statement = self._assigned(draw.name, writer.number(draw.values[0]).text)
            return [*_taken(writer), statement]
        rows = draw.patterns or (draw.values,)
        values = [value for row in rows for value in row]
        kind = "static const double" if all(value_of(v) is not None for v in values) else "const double"
        listed = [", ".join(writer.number(value).text for value in row) for row in rows]
        if draw.patterns is None:
            return [f"{kind} {name}[] = {{{listed[0]}}};", self._assigned(draw.name, f"{name}[place.trial]")]
        writer.functions.add("pattern")
        head = f"{kind} {name}[][{len(rows[0])}] = {{"
        deal = self.deals[draw.name]
        place = f"{name}[pattern(place, {deal.patterns}, {deal.span}, {deal.period})][place.trial]"
        return [head, *(f"    {{{row}}}," for row in listed), "};", self._assigned(draw.name, place)]

    def _assigned(self, name: str, value: str) -> str:
        """Return the statement that gives a variable its value, or that which the caller gives instead."""
        return f"now.{variable(name)} = given(place, {self.numbers[name]}, {value});"

    # --- epochs --------------------------------------------------------------------------------------

    def _epochs(self) -> tuple[list[CppFunction], dict[str, tuple[Case, ...]]]:
        """Write the functions of all epochs, equal ones once, and say which epochs call which."""
        epochs = enumerate(self.timeline.epochs)
        written = ((number, *function) for number, epoch in epochs for function in self._epoch(epoch))
        cases: dict[str, tuple[Case, ...]] = dict.fromkeys(EPOCH_ROLES, ())
        functions: list[CppFunction] = []
        for role, function, users in share(written, self.timeline):
            functions.append(function)
            cases[role] += (Case(users, function.call),)
        return functions, cases

    def _epoch(self, epoch: Epoch) -> Iterator[tuple[str, CppFunction]]:
        def function(role: str, writer: CppWriter, lines: Sequence[str]) -> tuple[str, CppFunction]:
            name, returns = f"{role}_{variable(epoch.name)}", _RETURNS.get(role, "void")
            return role, self._function(
                writer, name, returns, EPOCH_ROLES[role], lines, writes=_WRITES.get(role, "")
            )

        if epoch.duration.value is not None:
            yield function("duration", *self._single(epoch.duration.value, "number"))
        if drives := steady(epoch):
            yield function("input", *self._written("u", [(d.value, self._columns_of(d)) for d in drives]))
        if drives := changing(epoch):
            pairs = [(d.value, self._columns_of(d, True)) for d in drives]
            yield function("varying", *self._written("u", pairs))
        if epoch.targets:
            pairs = [(t.value, self._rows_of(self.outputs[t.channel])) for t in epoch.targets]
            yield function("target", *self._written("y", pairs))
        if epoch.weight is not None:
            yield function("weight", *self._single(epoch.weight, "number"))
        if epoch.correct is not None:
            yield function("correct", *self._single(epoch.correct, "truth"))
        if epoch.reads:
            writer, lines = CppWriter(), list[str]()
            for read in epoch.reads:
                statement = self._assigned(read.name, writer.number(read.value).text)
                lines += [*_taken(writer), statement]
            yield function("read", writer, lines)

    def _single(self, value: Expression, kind: Kind) -> tuple[CppWriter, list[str]]:
        """Return the statements that return a value."""
        writer = CppWriter()
        code = writer.number(value) if kind == "number" else writer.truth(value)
        return writer, [*_taken(writer), f"return {code.text};"]

    def _columns_of(self, drive: Drive, varying: bool = False) -> tuple[int, str, int]:
        """Return the units of an input channel, where they begin in u, and their first column of w_in."""
        channel = self.inputs[drive.channel]
        first = self.varying.index(channel.start) if varying else channel.start
        return channel.stop - channel.start, str(first), channel.start

    def _rows_of(self, channel: OutputChannel) -> tuple[int, str, int]:
        return channel.stop - channel.start, f"at::{variable(channel.name)}", channel.start

    def _written(
        self, row: str, values: Iterable[tuple[Expression, tuple[int, str, int]]]
    ) -> tuple[CppWriter, list[str]]:
        """Return the statements that write values to channels: each (units, where they begin, column)."""
        whole, lines = CppWriter(), list[str]()
        for value, (units, start, column) in values:
            writer = CppWriter(units, column)
            code = writer.truth(value) if writer.is_test(value) else writer.number(value)
            statements = [f"{row}[{start}] = {code.text};"]
            if units > 1:
                unit = "i" if start == "0" else f"{start} + i"
                loop = f"for (int i = 0; i < {units}; ++i)"
                statements = [f"{loop} {row}[{unit}] = {code.text};"]
                if len(statements[0]) > WIDTH - 8:
                    statements = [loop, f"    {row}[{unit}] = {code.text};"]
            block = [*_taken(writer), *statements]
            lines += ["{", *(f"    {line}" for line in block), "}"] if len(block) > len(statements) else block
            whole.functions |= writer.functions
            whole.rings |= writer.rings
        return whole, lines

    def _judge(self, name: str, value: Expression | None, doc: str) -> CppFunction | None:
        if value is None:
            return None
        writer, lines = self._single(value, "truth")
        return self._function(writer, name, "bool", doc, lines)

    def _function(
        self, writer: CppWriter, name: str, returns: str, doc: str, lines: Sequence[str], writes: str = ""
    ) -> CppFunction:
        """Lay out a function, which takes no more than what it uses."""
        self.calls |= writer.functions
        self.rings |= writer.rings
        given = [f"const double {variable(n)} = y[at::{variable(n)}];" for n in writer.outputs]
        body = [*given, *lines]
        used = [
            parameter for parameter in _PARAMETERS if any(re.search(rf"\b{parameter}\b", b) for b in body)
        ]
        declared = [
            _PARAMETERS[parameter].replace("const ", "") if parameter == writes else _PARAMETERS[parameter]
            for parameter in used
        ]
        wrapped = tuple(piece for line in body for piece in _wrapped(line))
        return CppFunction(name, ", ".join(declared), doc, wrapped, returns, ", ".join(used))

    # --- what each epoch has -------------------------------------------------------------------------

    def _flags(self) -> dict[str, str]:
        epochs = self.timeline.epochs
        flags = {
            "VARIES": [bool(changing(e)) for e in epochs],
            "TIMED_TARGET": [_timed(target.value for target in e.targets) for e in epochs],
            "WEIGHTED": [e.weight is not None for e in epochs],
            "TIMED_WEIGHT": [e.weight is not None and _timed([e.weight]) for e in epochs],
            "CORRECT": [e.correct is not None for e in epochs],
            "READS": [bool(e.reads) for e in epochs],
        }
        return {name: ", ".join("true" if f else "false" for f in values) for name, values in flags.items()}


def _columns(channel: InputChannel) -> range:
    return range(channel.start, channel.stop)


def _timed(values: Iterable[Expression]) -> bool:
    return any(isinstance(node, Clock) for value in values for node in walk(value))


def _taken(writer: CppWriter) -> list[str]:
    """Return the lines that must stand before the next statement, and forget them."""
    lines, writer.lines = writer.lines, []
    return lines


def _wrapped(line: str) -> list[str]:
    """Break a statement where it has spaces; no text of it is in quotes, so it means the same."""
    margin = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(
        line, WIDTH - 4, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
