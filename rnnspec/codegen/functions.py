"""The functions of a task in a generated module: its draws, and what its epochs input, want, judge and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rnnspec.codegen.constants import value_of
from rnnspec.codegen.expressions import Writer
from rnnspec.codegen.pieces import Code, break_lines
from rnnspec.codegen.render import identifier, quoted
from rnnspec.program.nodes import (
    Draw,
    Epoch,
    Expression,
    Output,
    Previous,
    Program,
    Random,
    Rate,
    Variable,
    White,
    walk,
)


@dataclass(frozen=True)
class Function:
    """A function of the module, laid out: its lines below the docstring, relative to the body."""

    name: str
    parameters: str
    doc: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class EpochFunctions:
    """The names of the functions of one epoch, by role."""

    epoch: Epoch
    names: dict[str, str]


@dataclass(frozen=True)
class TaskFunctions:
    """All functions of a task.

    draw: draws that depend on no read.  recall: those known when a trial begins, because they depend on
    reads of earlier ones.  after: those known once an epoch is over.  calls: the functions of the
    language that are used.  clocks: the roles in which t is used.
    """

    draw: Function | None
    recall: Function | None
    judges: tuple[Function, ...]
    functions: tuple[Function, ...]
    epochs: tuple[EpochFunctions, ...]
    calls: set[str]
    clocks: set[str]
    random: bool
    previous: bool
    sequence: bool
    balanced: bool
    shared: bool
    white: bool


def task_functions(program: Program) -> TaskFunctions:
    """Write the functions of a program's task; equal ones of several epochs become one."""
    return _Task(program).write()


class _Task:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.timeline = program.timeline
        self.writers: list[Writer] = []
        self.shared = duration_draws(program) if program.training.independent_trials else frozenset[str]()
        self.balanced = False
        self.clocks = {role for role in ("target", "weight", "correct") if any(map(self._clocked(role), self.timeline.epochs))}

    def write(self) -> TaskFunctions:
        draw = self._draws("draw", None, "Draw the variables of a trial that depend on no answer.")
        recall = self._draws("recall", 0, "Work out what depends on answers in earlier trials.")
        written: dict[tuple[str, tuple[str, ...]], Function] = {}
        names: list[dict[str, str]] = []
        users: dict[str, list[str]] = {}
        for place, epoch in enumerate(self.timeline.epochs):
            names.append({})
            for role, function in self._epoch(place, epoch):
                key = (role + function.parameters, function.lines)
                known = written.setdefault(key, function)
                names[place][role] = known.name
                users.setdefault(known.name, []).append(epoch.name)
        functions = tuple(
            replace(f, doc=f.doc.replace("EPOCHS", _listed(users[f.name]))) for f in written.values()
        )
        judges = tuple(self._judges())
        nodes = [node for value in self._expressions() for node in walk(value)]
        return TaskFunctions(
            draw=draw,
            recall=recall,
            judges=judges,
            functions=functions,
            epochs=tuple(map(EpochFunctions, self.timeline.epochs, names)),
            calls={name for writer in self.writers for name in writer.functions},
            clocks=self.clocks,
            random=any(isinstance(node, Random) for node in nodes),
            previous=any(isinstance(node, Previous) for node in nodes),
            sequence=any(writer.stream.startswith(", EVERY_TRIAL") for writer in self.writers),
            balanced=self.balanced,
            shared=any("shared=True" in writer.stream for writer in self.writers),
            white=any(isinstance(node, White) for node in nodes),
        )

    # --- draws ---------------------------------------------------------------------------------------

    def _draws(self, name: str, available: int | None, doc: str) -> Function | None:
        draws = [draw for draw in self.timeline.draws if draw.available == available]
        if not draws:
            return None
        lines: list[str] = []
        used: dict[str, None] = {}
        for draw in draws:
            writer = self._writer(stream=self._scope(draw))
            lines.append(self._draw(writer, draw))
            used |= {v: None for v in writer.variables if v not in used}
        own = {draw.name for draw in draws}
        lines = [*_locals(v for v in used if v not in own), *lines]
        return Function(name, "trial: Trial", doc, (*lines, *_returned(draws)))

    def _scope(self, draw: Draw) -> str:
        every = ", EVERY_TRIAL" if draw.scope == "sequence" else ""
        return every + (", shared=True" if draw.name in self.shared else "")

    def _draw(self, writer: Writer, draw: Draw) -> str:
        target = identifier(draw.name)
        if draw.patterns is not None:
            self.balanced = True
            writer.functions.add("pick")
            rows = [", ".join(writer.number(value).text for value in row) for row in draw.patterns]
            listed = "".join(f"            [{row}],\n" for row in rows)
            return f"{target} = deal(\n        trial,\n        [\n{listed}        ],\n    )"
        values = [writer.number(value) for value in draw.values]
        if len(values) == 1:
            return _assigned(target, self._as_tensor(writer, values[0]))
        if all(value.python for value in values):
            writer.functions.add("constant")
            listed = ", ".join(value.text for value in values)
            return _listing(f"{target} = constant(", "(", [listed], ")[trial.number])")
        listed_tensors = [self._as_tensor(writer, value).text for value in values]
        return _listing(f"{target} = ", "(", listed_tensors, ")[trial.number]")

    def _as_tensor(self, writer: Writer, value: Code) -> Code:
        if not value.python:
            return value
        writer.functions.add("constant")
        return Code(f"constant({value.text})")

    # --- epochs --------------------------------------------------------------------------------------

    def _epoch(self, place: int, epoch: Epoch) -> Iterator[tuple[str, Function]]:
        if epoch.duration.value is not None:
            yield "duration", self._single("duration", epoch, epoch.duration.value, "The duration of EPOCHS in seconds.")
        constant = [d for d in epoch.drives if d.value.type.rate is not Rate.POINT]
        varying = [d for d in epoch.drives if d.value.type.rate is Rate.POINT]
        if constant:
            doc = "The input by channel, constant throughout EPOCHS."
            yield "input", self._channels("input", epoch, [(d.channel, d.value) for d in constant], "", doc)
        if varying:
            doc = "The input by channel that changes from step to step of EPOCHS."
            extra = ", t: Tensor, white" if self._white() else ", t: Tensor"
            yield "varying", self._channels("varying", epoch, [(d.channel, d.value) for d in varying], extra, doc)
        if epoch.targets:
            doc = "What the outputs should be in EPOCHS, by channel."
            pairs = [(t.channel, t.value) for t in epoch.targets]
            yield "target", self._channels("target", epoch, pairs, self._clock("target"), doc)
        if epoch.weight is not None:
            yield "weight", self._single("weight", epoch, epoch.weight, "How much a point of EPOCHS counts in the loss.")
        if epoch.correct is not None:
            yield "correct", self._correct(epoch, epoch.correct)
        if epoch.reads:
            yield "read", self._reads(epoch)
        after = self._draws(f"after_{epoch.name}", place + 1, "Work out what depends on the answers in EPOCHS.")
        if after is not None:
            yield "after", after

    def _channels(
        self, role: str, epoch: Epoch, pairs: Sequence[tuple[str, Expression]], extra: str, doc: str
    ) -> Function:
        entries, used = [], {}
        for channel, value in pairs:
            writer = self._writer(channel=channel)
            entry = f"{quoted(channel)}: "
            code = writer.number(value)
            entries.append(f"    {entry}{break_lines(code, 8 + len(entry), 1, 8)},")
            used |= writer.variables
        lines = (*_locals(used), "return {", *entries, "}")
        return Function(f"{role}_{epoch.name}", f"trial: Trial{extra}", doc, lines)

    def _single(self, role: str, epoch: Epoch, value: Expression, doc: str) -> Function:
        writer = self._writer()
        code = writer.number(value)
        if role == "duration":
            code = self._as_tensor(writer, code)
        lines = (*_locals(writer.variables), _returning(code))
        return Function(f"{role}_{epoch.name}", f"trial: Trial{self._clock(role)}", doc, lines)

    def _correct(self, epoch: Epoch, value: Expression) -> Function:
        writer = self._near(value)
        code = writer.truth(value)
        if code.python:
            code = Code(f"torch.tensor([{code.text}])")
        lines = (*_outputs(writer), *self._moved(writer), _returning(code))
        doc = "Whether the answer at a point of EPOCHS is right."
        parameters = f"trial: Trial, y: dict{self._clock('correct')}"
        return Function(f"correct_{epoch.name}", parameters, doc, lines)

    def _reads(self, epoch: Epoch) -> Function:
        lines: list[str] = []
        outputs: dict[str, str] = {}
        known: set[str] = set()
        for read in epoch.reads:
            writer = self._near(read.value)
            code = writer.number(read.value)
            if code.python:
                code = self._as_tensor(writer, code)
            outputs |= {line: "" for line in _outputs(writer)}
            lines += [line for line in self._moved(writer, known) if line not in lines]
            lines.append(_assigned(identifier(read.name), code))
            known.add(read.name)
        doc = "What is read off the outputs when EPOCHS ends."
        entries = tuple(f"    {quoted(r.name)}: {identifier(r.name)}," for r in epoch.reads)
        lines = [*outputs, *lines, "return {", *entries, "}"]
        return Function(f"read_{epoch.name}", "trial: Trial, y: dict", doc, tuple(lines))

    def _judges(self) -> Iterator[Function]:
        judged = (
            ("success", self.timeline.success, "Whether a trial succeeded; that is its performance."),
            ("scored", self.timeline.scored, "Whether a trial counts in the performance."),
        )
        for name, value, doc in judged:
            if value is not None:
                writer = self._writer()
                code = writer.truth(value)
                if code.python:
                    code = Code(f"torch.tensor([{code.text}])")
                yield Function(name, "trial: Trial", doc, (*_locals(writer.variables), _returning(code)))

    # --- what they share -----------------------------------------------------------------------------

    def _writer(self, **given: str) -> Writer:
        writer = Writer(**given)  # type: ignore[arg-type]
        self.writers.append(writer)
        return writer

    def _near(self, value: Expression) -> Writer:
        """Return a writer whose values are moved to where the outputs are."""
        outputs = [node.name for node in walk(value) if isinstance(node, Output)]
        return self._writer(near=identifier(outputs[0])) if outputs else self._writer()

    def _moved(self, writer: Writer, known: Iterable[str] = ()) -> list[str]:
        moved = f".to({writer.near})" if writer.near else ""
        lines = _locals((v for v in writer.variables if v not in known), moved)
        return [*lines, *([f"t = t{moved}"] if writer.clock and moved else [])]

    def _clock(self, role: str) -> str:
        return ", t: Tensor" if role in self.clocks else ""

    def _clocked(self, role: str) -> Callable[[Epoch], bool]:
        def clocked(epoch: Epoch) -> bool:
            values = {
                "target": [target.value for target in epoch.targets],
                "weight": [epoch.weight],
                "correct": [epoch.correct],
            }[role]
            return any(type(n).__name__ == "Clock" for v in values if v is not None for n in walk(v))

        return clocked

    def _white(self) -> bool:
        return any(type(node).__name__ == "White" for value in self._expressions() for node in walk(value))

    def _expressions(self) -> Iterator[Expression]:
        timeline = self.timeline
        for draw in timeline.draws:
            yield from draw.values
            yield from (value for pattern in draw.patterns or () for value in pattern)
        for epoch in timeline.epochs:
            yield from (drive.value for drive in epoch.drives)
            yield from (target.value for target in epoch.targets)
            yield from (read.value for read in epoch.reads)
            more = (epoch.weight, epoch.correct, epoch.duration.value)
            yield from (value for value in more if value is not None)
        yield from (value for value in (timeline.success, timeline.scored) if value is not None)


def duration_draws(program: Program) -> frozenset[str]:
    """Return the draws that a duration depends on: networks share them, as they share the clock."""
    timeline = program.timeline
    values = {
        draw.name: (*draw.values, *(value for pattern in draw.patterns or () for value in pattern))
        for draw in timeline.draws
    }
    waiting = [epoch.duration.value for epoch in timeline.epochs if epoch.duration.value is not None]
    found: set[str] = set()
    while waiting:
        for node in walk(waiting.pop()):
            if isinstance(node, Variable | Previous) and node.name not in found:
                found.add(node.name)
                waiting.extend(values.get(node.name, ()))
    return frozenset(found)


# --- lines -------------------------------------------------------------------------------------------


def _locals(names: Iterable[str], moved: str = "") -> list[str]:
    return [f"{identifier(name)} = trial[{quoted(name)}]{moved}" for name in names]


def _outputs(writer: Writer) -> list[str]:
    return [f"{identifier(name)} = y[{quoted(name)}]" for name in writer.outputs]


def _assigned(target: str, code: Code) -> str:
    return f"{target} = {break_lines(code, 4 + len(target) + 3, 0, 4)}"


def _returning(code: Code) -> str:
    return f"return {break_lines(code, 11, 0, 4)}"


def _returned(draws: Iterable[Draw]) -> list[str]:
    return ["return {", *(f"    {quoted(d.name)}: {identifier(d.name)}," for d in draws), "}"]


def _listing(head: str, opening: str, items: Sequence[str], closing: str) -> str:
    return f"{head}{opening}{', '.join(items)}{closing}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


__all__ = ["EpochFunctions", "Function", "TaskFunctions", "duration_draws", "task_functions", "value_of"]
