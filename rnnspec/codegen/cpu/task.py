"""The task in a generated kernel: draws, and what the epochs input, want, judge and read, for one trial."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rnnspec.codegen.code import WIDTH
from rnnspec.codegen.constants import value_of
from rnnspec.codegen.cpu.expressions import CALLS, CppWriter, is_test, variable
from rnnspec.codegen.language import with_callees
from rnnspec.codegen.torch.functions import listed
from rnnspec.program.nodes import (
    Clock,
    Draw,
    Drive,
    Epoch,
    Expression,
    InputChannel,
    OutputChannel,
    Program,
    Rate,
    walk,
)
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
_ROLES = ("duration", "input", "varying", "target", "weight", "correct", "read")
_WRITES = {"input": "u", "varying": "u", "target": "y", "read": "now"}


@dataclass(frozen=True)
class CppFunction:
    """A function of the kernel, laid out: its signature, and its lines relative to the body.

    arguments: what a call of it is given, as the dispatching function names it.
    """

    name: str
    returns: str
    parameters: str
    arguments: str
    doc: str
    lines: tuple[str, ...]

    @property
    def call(self) -> str:
        return f"{self.name}({self.arguments})"


@dataclass(frozen=True)
class Case:
    """Some epochs, by number, and the call that does for all of them what a role asks for."""

    epochs: tuple[int, ...]
    call: str

    @property
    def label(self) -> str:
        return " ".join(f"case {epoch}:" for epoch in self.epochs)


@dataclass(frozen=True)
class TaskSource:
    """The functions of a task, ready for templates/cpu/task.cpp.j2.

    cases: for each role, which epochs call which function.  settled: the same for what draws become known
    after some epochs.  varying: the columns of w_in that vary within some epoch.  same_inputs: whether they
    do so in all networks alike, true or false.  flags: what each epoch
    has, by the name of the array that says it.
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


def task_context(program: Program) -> dict[str, object]:
    """Return what the templates language.cpp.j2 and task.cpp.j2 need: `calls` and `task`."""
    author = _Author(program)
    task = author.task()
    return {"calls": with_callees(author.calls, CALLS), "task": task}


class _Author:
    """Writes the functions of one task; `calls` remembers the functions of the language they use."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.timeline = program.timeline
        self.shared = duration_draws(program.timeline)
        self.calls: set[str] = set()
        self.inputs = {channel.name: channel for channel in program.network.inputs}
        self.outputs = {channel.name: channel for channel in program.network.outputs}
        columns = {
            column
            for epoch in self.timeline.epochs
            for drive in _changing(epoch)
            for column in _columns(self.inputs[drive.channel])
        }
        self.varying = tuple(sorted(columns))

    def task(self) -> TaskSource:
        """Write everything."""
        functions, cases = self._epochs()
        settled: list[Case] = []
        for known, epoch in enumerate((None, *self.timeline.epochs)):
            when = f"after {epoch.name}" if epoch else "at the start of a trial"
            name = f"settle_{variable(epoch.name)}" if epoch else "settle_start"
            function = self._draws(name, known, f"Work out what depends on answers and is known {when}.")
            if function is not None:
                functions.append(function)
                settled.append(Case((known,), function.call))
        return TaskSource(
            tuple(variable(name) for name in variable_names(self.program)),
            self._draws("draw", None, "Draw the variables of a trial that depend on no answer."),
            tuple(functions),
            cases,
            tuple(settled),
            tuple(
                (name, self._judge(name, value, doc), doc)
                for name, value, doc in (
                    ("success", self.timeline.success, "Whether a trial is a success."),
                    ("scored", self.timeline.scored, "Whether a trial is scored."),
                )
            ),
            self.program.training.independent_trials,
            self.varying,
            str(not self._own_inputs()).lower(),
            self._flags(),
            ", ".join(variable(epoch.name)[:-1] for epoch in self.timeline.epochs),
        )

    def _own_inputs(self) -> bool:
        """Whether what varies within an epoch may do so in each network in its own way."""
        drives = [drive for epoch in self.timeline.epochs for drive in _changing(epoch)]
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
            statement = f"now.{name} = {writer.number(draw.values[0]).text};"
            return [*_taken(writer), statement]
        rows = draw.patterns or (draw.values,)
        values = [value for row in rows for value in row]
        kind = "static const double" if all(value_of(v) is not None for v in values) else "const double"
        listed = [", ".join(writer.number(value).text for value in row) for row in rows]
        if draw.patterns is None:
            return [f"{kind} {name}[] = {{{listed[0]}}};", f"now.{name} = {name}[place.trial];"]
        writer.functions.add("pattern")
        head = f"{kind} {name}[][{len(rows[0])}] = {{"
        place = f"{name}[pattern(place, {len(rows)})][place.trial]"
        return [head, *(f"    {{{row}}}," for row in listed), "};", f"now.{name} = {place};"]

    # --- epochs --------------------------------------------------------------------------------------

    def _epochs(self) -> tuple[list[CppFunction], dict[str, tuple[Case, ...]]]:
        """Write the functions of all epochs, equal ones once, and say which epochs call which."""
        written: dict[tuple[str, str, tuple[str, ...]], CppFunction] = {}
        users: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
        for number, epoch in enumerate(self.timeline.epochs):
            for role, function in self._epoch(epoch):
                key = role, function.parameters, function.lines
                written.setdefault(key, function)
                users.setdefault(key, []).append(number)
        cases: dict[str, tuple[Case, ...]] = dict.fromkeys(_ROLES, ())
        functions: list[CppFunction] = []
        for key, function in written.items():
            names = [self.timeline.epochs[number].name for number in users[key]]
            functions.append(replace(function, doc=function.doc.format(listed(names))))
            cases[key[0]] += (Case(tuple(users[key]), function.call),)
        return functions, cases

    def _epoch(self, epoch: Epoch) -> Iterator[tuple[str, CppFunction]]:
        def function(
            role: str, returns: str, doc: str, writer: CppWriter, lines: Sequence[str]
        ) -> tuple[str, CppFunction]:
            name = f"{role}_{variable(epoch.name)}"
            return role, self._function(writer, name, returns, doc, lines, writes=_WRITES.get(role, ""))

        writer = CppWriter()
        if epoch.duration.value is not None:
            code = writer.number(epoch.duration.value)
            doc = "How long {} lasts, in seconds."
            yield function("duration", "double", doc, writer, [f"return {code.text};"])
        steady = [drive for drive in epoch.drives if drive.value.type.rate is not Rate.POINT]
        if steady:
            writer, lines = self._written("u", [(d.value, self._columns_of(d)) for d in steady])
            yield function("input", "void", "The input throughout {}.", writer, lines)
        if changing := _changing(epoch):
            writer, lines = self._written("u", [(d.value, self._columns_of(d, True)) for d in changing])
            doc = "The input that changes from step to step of {}."
            yield function("varying", "void", doc, writer, lines)
        if epoch.targets:
            pairs = [(t.value, self._rows_of(self.outputs[t.channel])) for t in epoch.targets]
            writer, lines = self._written("y", pairs)
            yield function("target", "void", "The wanted output in {}.", writer, lines)
        if epoch.weight is not None:
            writer = CppWriter()
            code = writer.number(epoch.weight)
            doc = "How much a point of {} counts in the loss."
            yield function("weight", "double", doc, writer, [*_taken(writer), f"return {code.text};"])
        if epoch.correct is not None:
            writer = CppWriter()
            code = writer.truth(epoch.correct)
            lines = [*_taken(writer), f"return {code.text};"]
            yield function("correct", "bool", "Whether a point of {} is right.", writer, lines)
        if epoch.reads:
            writer, lines = CppWriter(), []
            for read in epoch.reads:
                statement = f"now.{variable(read.name)} = {writer.number(read.value).text};"
                lines += [*_taken(writer), statement]
            yield function("read", "void", "What is read off the outputs at the end of {}.", writer, lines)

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
            code = writer.truth(value) if is_test(value) else writer.number(value)
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
        return whole, lines

    def _judge(self, name: str, value: Expression | None, doc: str) -> CppFunction | None:
        if value is None:
            return None
        writer = CppWriter()
        code = writer.truth(value)
        return self._function(writer, name, "bool", doc, [*_taken(writer), f"return {code.text};"])

    def _function(
        self, writer: CppWriter, name: str, returns: str, doc: str, lines: Sequence[str], writes: str = ""
    ) -> CppFunction:
        """Lay out a function, which takes no more than what it uses."""
        self.calls |= writer.functions
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
        return CppFunction(name, returns, ", ".join(declared), ", ".join(used), doc, wrapped)

    # --- what each epoch has -------------------------------------------------------------------------

    def _flags(self) -> dict[str, str]:
        epochs = self.timeline.epochs
        flags = {
            "VARIES": [bool(_changing(e)) for e in epochs],
            "TIMED_TARGET": [_timed(target.value for target in e.targets) for e in epochs],
            "WEIGHTED": [e.weight is not None for e in epochs],
            "TIMED_WEIGHT": [e.weight is not None and _timed([e.weight]) for e in epochs],
            "CORRECT": [e.correct is not None for e in epochs],
            "READS": [bool(e.reads) for e in epochs],
        }
        return {name: ", ".join("true" if f else "false" for f in values) for name, values in flags.items()}


def _changing(epoch: Epoch) -> list[Drive]:
    return [drive for drive in epoch.drives if drive.value.type.rate is Rate.POINT]


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
