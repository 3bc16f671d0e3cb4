"""The functions of a task in a generated module: draws; inputs, targets, scores and reads of epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnnspec.codegen.code import WIDTH, Code, break_lines
from rnnspec.codegen.render import checked, quoted
from rnnspec.codegen.task import DRAW, EPOCH_ROLES, TRIAL_ROLES, Function, changing, share, steady
from rnnspec.codegen.torch.expressions import TorchWriter
from rnnspec.codegen.torch.language import identifier
from rnnspec.program.dealing import deals
from rnnspec.program.expression_nodes import Clock, Expression, Output, Previous, Random, White, walk
from rnnspec.program.nodes import Draw, Epoch, Program, Timeline
from rnnspec.program.timing import duration_draws


@dataclass(frozen=True)
class TaskFunctions:
    """The functions of a task, and what they use.

    draw: the draws that depend on no read.  recall: those that depend on reads of earlier trials alone.
    functions: those of the epochs, equal ones once.  names: for each epoch those of its functions, by role.
    judges: success and scored.  calls: the functions of the language they use.  clocks: the roles that see
    t.  The others: whether there are random calls, previous(), draws once per sequence, balanced
    patterns, draws that networks share though their trials are independent, t, white().
    """

    draw: Function | None
    recall: Function | None
    functions: tuple[Function, ...]
    names: tuple[Mapping[str, str], ...]
    judges: tuple[Function, ...]
    calls: frozenset[str]
    clocks: tuple[str, ...]
    random: bool
    previous: bool
    sequence: bool
    balanced: bool
    shared: bool
    clock: bool
    white: bool


def write_task(program: Program) -> TaskFunctions:
    """Write the functions of a program's task."""
    timeline = program.timeline
    nodes = [node for value in _expressions(timeline) for node in walk(value)]
    shared = duration_draws(timeline) if program.training.independent_trials else frozenset[str]()
    task = _TaskWriter(timeline, shared, any(isinstance(node, White) for node in nodes))
    draw = task.draws("draw", None, DRAW)
    recall = task.draws("recall", 0, "Compute what depends on the reads of earlier trials.")
    functions, names = task.epochs()
    judges = tuple(task.judges())
    return TaskFunctions(
        draw,
        recall,
        functions,
        names,
        judges,
        calls=frozenset(name for writer in task.writers for name in writer.functions),
        clocks=task.clocks,
        random=any(isinstance(node, Random) for node in nodes),
        previous=any(isinstance(node, Previous) for node in nodes),
        sequence=any("EVERY_TRIAL" in writer.stream for writer in task.writers),
        balanced=any(draw.patterns is not None for draw in timeline.draws),
        shared=any("shared" in writer.stream for writer in task.writers),
        clock=any(isinstance(node, Clock) for node in nodes),
        white=task.white,
    )


class _TaskWriter:
    """Writes the functions of one task; `writers` are those of its expressions, and know what they used."""

    def __init__(self, timeline: Timeline, shared: frozenset[str], white: bool) -> None:
        self.timeline = timeline
        self.shared = shared
        self.white = white
        self.deals = deals(timeline)
        self.writers: list[TorchWriter] = []
        self.clocks = tuple(
            role
            for role in ("target", "weight", "correct")
            if any(
                isinstance(node, Clock)
                for epoch in timeline.epochs
                for value in _judging(epoch)[role]
                for node in walk(value)
            )
        )

    # --- draws ---------------------------------------------------------------------------------------

    def draws(self, name: str, available: int | None, doc: str) -> Function | None:
        """Write the draws that become known at one time; they see each other as local variables."""
        draws = [draw for draw in self.timeline.draws if draw.available == available]
        if not draws:
            return None
        lines: list[str] = []
        used: dict[str, None] = {}
        for draw in draws:
            every = ", EVERY_TRIAL" if draw.scope == "sequence" else ""
            writer = self._writer(stream=every + (", shared=True" if draw.name in self.shared else ""))
            lines.append(self._draw(writer, draw))
            used |= writer.variables
        own = {draw.name: identifier(draw.name) for draw in draws}
        given = [variable for variable in used if variable not in own]
        return Function(name, "trial", doc, (*_taken(given, "trial"), *lines, *_returned(own)))

    def _draw(self, writer: TorchWriter, draw: Draw) -> str:
        target = identifier(draw.name)
        if draw.patterns is not None:
            writer.functions.add("pick")
            rows = [", ".join(writer.number(value).text for value in row) for row in draw.patterns]
            listed = "".join(f"            [{row}],\n" for row in rows)
            deal = self.deals[draw.name]
            last = f"        span={deal.span},\n        period={deal.period},\n    )"
            return f"{target} = deal(\n        trial,\n        [\n{listed}        ],\n{last}"
        values = [self._tensor(writer, writer.number(value)) for value in draw.values]
        if len(values) == 1:
            return f"{target} = {break_lines(values[0], len(target) + 7, 0, 4)}"
        listed = ", ".join(value.text for value in values)
        if len(target) + len(listed) + 24 > WIDTH:
            listed = "\n        " + "".join(f"{value.text},\n        " for value in values)
            listed = listed[:-4]
        return f"{target} = ({listed})[trial.number]"

    def _tensor(self, writer: TorchWriter, value: Code) -> Code:
        if not value.literal:
            return value
        writer.functions.add("constant")
        return Code(f"constant({value.text})")

    # --- epochs --------------------------------------------------------------------------------------

    def epochs(self) -> tuple[tuple[Function, ...], tuple[Mapping[str, str], ...]]:
        """Write the functions of all epochs; return each once, and for each epoch their names by role."""
        epochs = enumerate(self.timeline.epochs)
        written = ((place, *function) for place, epoch in epochs for function in self._epoch(place, epoch))
        shared = share(written, self.timeline)
        names: list[dict[str, str]] = [{} for _ in self.timeline.epochs]
        for role, function, users in shared:
            for place in users:
                names[place][role] = function.name
        return tuple(function for _, function, _ in shared), tuple(names)

    def _epoch(self, place: int, epoch: Epoch) -> Iterator[tuple[str, Function]]:
        def function(role: str, parameters: str, lines: Iterable[str]) -> tuple[str, Function]:
            name = f"{role}_{checked(epoch.name)}"
            return role, Function(name, parameters, EPOCH_ROLES[role], tuple(lines))

        if epoch.duration.value is not None:
            writer = self._writer()
            lines = self._single(writer, self._tensor(writer, writer.number(epoch.duration.value)))
            yield function("duration", "trial", lines)
        if inputs := steady(epoch):
            yield function("input", "trial", self._channels([(d.channel, d.value) for d in inputs]))
        if inputs := changing(epoch):
            parameters = "trial, t, white" if self.white else "trial, t"
            yield function("varying", parameters, self._channels([(d.channel, d.value) for d in inputs]))
        if epoch.targets:
            lines = self._channels([(t.channel, t.value) for t in epoch.targets])
            yield function("target", "trial" + self._t("target"), lines)
        if epoch.weight is not None:
            writer = self._writer()
            lines = self._single(writer, writer.number(epoch.weight))
            yield function("weight", "trial" + self._t("weight"), lines)
        if epoch.correct is not None:
            yield function("correct", "trial, y" + self._t("correct"), self._correct(epoch.correct))
        if epoch.reads:
            yield function("read", "trial, y", self._reads(epoch))
        after = self.draws(f"after_{checked(epoch.name)}", place + 1, EPOCH_ROLES["after"])
        if after is not None:
            yield "after", after

    def _channels(self, pairs: Sequence[tuple[str, Expression]]) -> list[str]:
        entries: dict[str, Code] = {}
        used: dict[str, None] = {}
        for channel, value in pairs:
            writer = self._writer(channel=channel)
            entries[channel] = writer.number(value)
            used |= writer.variables
        together = ", ".join(f"{quoted(channel)}: {code.text}" for channel, code in entries.items())
        if len(together) + 13 <= WIDTH:
            return [*_taken(used, "trial"), f"return {{{together}}}"]
        lines = []
        for channel, code in entries.items():
            head = f"    {quoted(channel)}: "
            lines.append(f"{head}{break_lines(code, 4 + len(head), 1, 8)},")
        return [*_taken(used, "trial"), "return {", *lines, "}"]

    def _single(self, writer: TorchWriter, code: Code) -> list[str]:
        return [*_taken(writer.variables, "trial"), _returning(code)]

    def _correct(self, value: Expression) -> list[str]:
        writer = self._near(value)
        code = writer.truth(value)
        return [*_taken(writer.outputs, "y"), *self._moved(writer), _returning(_truth(code))]

    def _reads(self, epoch: Epoch) -> list[str]:
        lines: list[str] = []
        outputs: dict[str, None] = {}
        for read in epoch.reads:
            writer = self._near(read.value)
            target, code = identifier(read.name), self._tensor(writer, writer.number(read.value))
            outputs |= writer.outputs
            lines += [line for line in self._moved(writer) if line not in lines]
            lines.append(f"{target} = {break_lines(code, len(target) + 7, 0, 4)}")
        return [*_taken(outputs, "y"), *lines, *_returned({r.name: identifier(r.name) for r in epoch.reads})]

    def judges(self) -> Iterator[Function]:
        """Write the truth values of a trial as a whole."""
        for name, doc in TRIAL_ROLES.items():
            value = getattr(self.timeline, name)
            if value is not None:
                writer = self._writer()
                code = writer.truth(value)
                yield Function(name, "trial", doc, tuple(self._single(writer, _truth(code))))

    # --- what they share -----------------------------------------------------------------------------

    def _writer(self, near: str | None = None, channel: str = "", stream: str = "") -> TorchWriter:
        writer = TorchWriter(near, channel, stream)
        self.writers.append(writer)
        return writer

    def _near(self, value: Expression) -> TorchWriter:
        """Return a writer whose variables are moved to where the outputs are."""
        outputs = [node.name for node in walk(value) if isinstance(node, Output)]
        return self._writer(near=identifier(outputs[0]) if outputs else None)

    def _moved(self, writer: TorchWriter) -> list[str]:
        moved = f".to({writer.near})" if writer.near else ""
        lines = _taken(writer.variables, "trial", moved)
        return [*lines, *([f"t = t{moved}"] if writer.clock and moved else [])]

    def _t(self, role: str) -> str:
        return ", t" if role in self.clocks else ""


def _expressions(timeline: Timeline) -> Iterator[Expression]:
    for draw in timeline.draws:
        yield from _draw_expressions(draw)
    for epoch in timeline.epochs:
        yield from (drive.value for drive in epoch.drives)
        yield from (value for values in _judging(epoch).values() for value in values)
        yield from (read.value for read in epoch.reads)
        if epoch.duration.value is not None:
            yield epoch.duration.value
    yield from (value for value in (timeline.success, timeline.scored) if value is not None)


def _draw_expressions(draw: Draw) -> Iterator[Expression]:
    yield from draw.values
    yield from (value for pattern in draw.patterns or () for value in pattern)


def _judging(epoch: Epoch) -> dict[str, list[Expression]]:
    return {
        "target": [target.value for target in epoch.targets],
        "weight": [epoch.weight] if epoch.weight is not None else [],
        "correct": [epoch.correct] if epoch.correct is not None else [],
    }


# --- lines -------------------------------------------------------------------------------------------


def _taken(names: Iterable[str], source: str, moved: str = "") -> list[str]:
    """Return the lines that make local variables of entries: one line if they fit."""
    values = {identifier(name): f"{source}[{quoted(name)}]{moved}" for name in names}
    together = f"{', '.join(values)} = {', '.join(values.values())}"
    if values and len(together) + 4 <= WIDTH:
        return [together]
    return [f"{name} = {value}" for name, value in values.items()]


def _returned(values: Mapping[str, str]) -> list[str]:
    together = f"return {{{', '.join(f'{quoted(name)}: {value}' for name, value in values.items())}}}"
    if len(together) + 4 <= WIDTH:
        return [together]
    return ["return {", *(f"    {quoted(name)}: {value}," for name, value in values.items()), "}"]


def _returning(code: Code) -> str:
    return f"return {break_lines(code, 11, 0, 4)}"


def _truth(code: Code) -> Code:
    return Code(f"torch.tensor([{code.text}])") if code.literal else code
