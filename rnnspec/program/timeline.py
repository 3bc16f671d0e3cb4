"""Lower the task: resolve what epochs inherit, and lower their inputs, targets and scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from rnnspec.diagnostics import Problems, nearest, one_of
from rnnspec.program.expression_nodes import Expression
from rnnspec.program.expressions import ExpressionLowering, Place, Role, truth
from rnnspec.program.nodes import (
    Drive,
    Duration,
    Epoch,
    Error,
    InputChannel,
    Network,
    OutputChannel,
    Path,
    Target,
    Timeline,
)
from rnnspec.program.types import describe
from rnnspec.program.variables import Variables
from rnnspec.spec import task as spec
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.spec.values import ExpressionText
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import Time

#: The values of `training.loss`.
Loss = Literal["auto", "squared_error"]


def lower_timeline(
    task: spec.Task, network: Network, loss: Loss, document: Document, problems: Problems
) -> Timeline:
    """Lower the task section.

    Requires: a lowered network.  loss: the `training.loss` of the spec, which decides the error function of
    each target.  Ensures: every epoch has all its drives and targets, inherited ones too; every expression
    has a type; each draw comes after those that it depends on.  Mistakes are reported and left out.
    """
    outputs = {o.name: o for o in network.outputs}
    variables = Variables(task, outputs, document, problems)
    variables.expressions = ExpressionLowering(
        document, problems, network.dt, outputs, variables.variable, variables.previous, variables.clashing
    )
    return _Lowering(task, network, loss, variables, document, problems).lower()


@dataclass
class _Lowering:
    task: spec.Task
    network: Network
    loss: Loss
    variables: Variables
    document: Document
    problems: Problems
    #: Expressions by path.  One that several epochs inherit is lowered only for the first of them.
    lowered: dict[Path, Expression | None] = field(default_factory=dict)

    def lower(self) -> Timeline:
        draws = self.variables.draws()
        self._check_defaults()
        epochs = [self._epoch(i, name, epoch) for i, (name, epoch) in enumerate(self.task.epochs.items())]
        success = self._trial_truth("success", self.task.success)
        scored = self._trial_truth("scored", self.task.scored)
        self.variables.report_undefined()
        return Timeline(
            ("task",),
            self.task.trials,
            self._seconds(self.task.burn_in),
            draws,
            tuple(e for e in epochs if e is not None),
            success,
            scored,
        )

    def _epoch(self, position: int, name: str, epoch: spec.Epoch) -> Epoch | None:
        path: Path = ("task", "epochs", name)
        duration = self._duration(epoch.duration, (*path, "duration"), position)
        drives = self._drives(position, epoch, path)
        targets = self._targets(position, epoch, path)
        weight = None
        if epoch.weight is not None:
            weight = self._scalar(epoch.weight, (*path, "weight"), "weight", position)
        correct = self._correct(position, epoch, path)
        if duration is None:
            return None
        return Epoch(
            path,
            name,
            duration,
            self._seconds(epoch.jitter),
            self._seconds(epoch.grace),
            epoch.gradient,
            epoch.phase or self.task.phase,
            drives,
            targets,
            weight,
            correct,
            self.variables.reads(position),
        )

    def _duration(self, duration: Time | ExpressionText, path: Path, position: int) -> Duration | None:
        if isinstance(duration, Time):
            if duration.amount == 0:
                self.problems.error(
                    "RS213",
                    "the duration of this epoch is 0",
                    self.document.span(path),
                    expected="a time longer than 0",
                )
            return Duration(path, self._seconds(duration), None)
        value = self._scalar(duration, path, "duration", 0)
        if value is None:
            return None
        low, high = value.type.low, value.type.high
        # With a margin for rounding: 1.2 s - delay, delay up to 1.2 s, can be -2e-16 s at least.
        if not (low >= -1e-9 and 0 < high < math.inf):
            found = f"between {low:g} and {high:g} s" if math.isfinite(low + high) else "unbounded"
            found = "undefined for some draws" if math.isnan(low) else found
            self.problems.error(
                "RS213",
                f"this duration is {found}",
                self.document.span(path),
                expected="a duration with finite bounds, never below 0",
                help="limit the arguments of log, sqrt and divisions to their domain"
                if math.isnan(low)
                else "limit it with min() and max()",
            )
            return None
        return Duration(path, None, value)

    # --- inputs, targets -----------------------------------------------------------------------------

    def _check_defaults(self) -> None:
        """Report unknown channels in `task.input` and `task.target`, once for all epochs."""
        self._known(self.task.input, {c.name: c for c in self.network.inputs}, ("task", "input"), "input")
        self._known(self.task.target, {c.name: c for c in self.network.outputs}, ("task", "target"), "output")

    def _drives(self, position: int, epoch: spec.Epoch, path: Path) -> tuple[Drive, ...]:
        channels = {c.name: c for c in self.network.inputs}
        texts = self._inherit(epoch.input, self.task.input, (*path, "input"), ("task", "input"))
        self._known(epoch.input, channels, (*path, "input"), "input")
        drives = []
        for name, channel in channels.items():
            if name in texts:
                text, place = texts[name]
                value = self._channel_value(text, place, "input", position, channel)
                drives += [Drive(place, name, value)] if value else []
        return tuple(drives)

    def _targets(self, position: int, epoch: spec.Epoch, path: Path) -> tuple[Target, ...]:
        channels = {c.name: c for c in self.network.outputs}
        self._known(epoch.target, channels, (*path, "target"), "output")
        if not epoch.gradient:
            if isinstance(epoch.target, dict) and any(
                isinstance(t, ExpressionText) for t in epoch.target.values()
            ):
                self.problems.warning(
                    "RS219",
                    f"'{path[-1]}' has no gradient, so its target has no effect",
                    self.document.span((*path, "target"), key=True),
                    help="remove the target, or remove 'gradient: false'",
                )
            return ()
        texts = self._inherit(epoch.target, self.task.target, (*path, "target"), ("task", "target"))
        targets = []
        for name, channel in channels.items():
            if name in texts:
                text, place = texts[name]
                value = self._channel_value(text, place, "target", position, channel)
                targets += [Target(place, name, value, self._error(channel))] if value else []
        return tuple(targets)

    def _error(self, channel: OutputChannel) -> Error:
        """Return the error of a channel: with `loss: auto`, a distribution has the cross-entropy."""
        distribution = ACTIVATIONS[channel.activation.name].distribution
        return "cross_entropy" if distribution and self.loss == "auto" else "squared"

    def _inherit(
        self, own: spec.Channels | str, task: spec.Channels, path: Path, task_path: Path
    ) -> dict[str, tuple[ExpressionText, Path]]:
        """Return the channels of the task, overridden by those of the epoch; `none` stops the inheritance."""
        if isinstance(own, str):
            return {}
        merged: dict[str, tuple[ExpressionText | str, Path]] = {}
        merged |= {name: (text, (*task_path, name)) for name, text in task.items()}
        merged |= {name: (text, (*path, name)) for name, text in own.items()}
        return {n: (text, place) for n, (text, place) in merged.items() if isinstance(text, ExpressionText)}

    def _known(self, own: object, channels: Mapping[str, object], path: Path, word: str) -> None:
        for name in own if isinstance(own, dict) else ():
            if name not in channels:
                self.problems.error(
                    "RS210",
                    f"'{name}' is not an {word} of this network",
                    self.document.span((*path, name), key=True),
                    expected=one_of(channels),
                    help=nearest(name, channels),
                )

    def _channel_value(
        self,
        text: ExpressionText,
        path: Path,
        role: Literal["input", "target"],
        position: int,
        channel: InputChannel | OutputChannel,
    ) -> Expression | None:
        size = channel.stop - channel.start
        vector = size if size > 1 or channel.ring else None
        place = Place(role, position, channel=channel.name, size=vector, ring=channel.ring)
        value = self._once(text, path, place)
        if value is not None and value.type.size not in (None, vector):
            self.problems.error(
                "RS205",
                f"this is {describe(value.type)}, but '{channel.name}' has {size} units",
                self.document.span(path),
                expected=f"a number or a vector of {size}",
            )
            return None
        return value

    # --- scores --------------------------------------------------------------------------------------

    def _correct(self, position: int, epoch: spec.Epoch, path: Path) -> Expression | None:
        text, place = epoch.correct, (*path, "correct")
        if text is None and epoch.gradient:
            # Epochs without gradient inherit neither targets nor scores.
            text, place = self.task.correct, ("task", "correct")
        if not isinstance(text, ExpressionText):
            return None
        value = self._once(text, place, Place("correct", position))
        return truth(self.problems, value, self.document.span(place))

    def _trial_truth(
        self, role: Literal["success", "scored"], text: ExpressionText | None
    ) -> Expression | None:
        if text is None:
            return None
        place = Place(role, len(self.task.epochs))
        value = self.variables.expressions.lower(text, ("task", role), place)
        return truth(self.problems, value, self.document.span(("task", role)))

    def _scalar(self, text: ExpressionText, path: Path, role: Role, position: int) -> Expression | None:
        value = self.variables.expressions.lower(text, path, Place(role, position))
        if value is not None and value.type.size is not None:
            self.problems.error(
                "RS205", f"this is {describe(value.type)}", self.document.span(path), expected="a number"
            )
            return None
        return value

    def _once(self, text: ExpressionText, path: Path, place: Place) -> Expression | None:
        """Return an expression that several epochs may inherit, lowered for the first of them.

        A variable that is known in one epoch is known in all later ones, so that it is valid in all of them.
        """
        if path not in self.lowered:
            self.lowered[path] = self.variables.expressions.lower(text, path, place)
        return self.lowered[path]

    def _seconds(self, time: Time) -> Fraction:
        return time.seconds(self.network.dt)
