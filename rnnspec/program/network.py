"""Lower the network: number the units of populations and channels, divide the weight matrices into blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from rnnspec.diagnostics import Problems, nearest, one_of
from rnnspec.program.distributions import DistributionLowering
from rnnspec.program.nodes import (
    Activation,
    Block,
    Distribution,
    InputChannel,
    Matrix,
    Network,
    Noise,
    OutputChannel,
    Path,
    Population,
)
from rnnspec.spec import network as spec
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.spec.values import ConnectionKey, DistributionCall
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import STEPS, Time

MatrixName = Literal["w_rec", "w_in", "w_out"]


def lower_network(network: spec.Network, document: Document, problems: Problems) -> Network | None:
    """Lower the network section.

    Ensures: the unit ranges of populations and channels follow each other without gaps, in the order written;
    names are resolved; the blocks of each matrix cover it exactly.  Mistakes are reported and left out, so
    that the task can be checked too.  Returns None if dt is given in steps.
    """
    return _Lowering(network, document, problems).lower()


@dataclass
class _Lowering:
    spec: spec.Network
    document: Document
    problems: Problems

    def lower(self) -> Network | None:
        path: Path = ("network",)
        if self.spec.dt.unit in STEPS:
            self.problems.error(
                "RS014",
                "dt is the length of a step, so its unit cannot be steps",
                self.document.span((*path, "dt")),
                expected="a time such as '5 ms'",
            )
            return None
        self.dt = self.spec.dt.seconds(Fraction(0))
        self.populations = self._populations()
        self.inputs = self._inputs()
        self.outputs = self._outputs()
        self._check_names()
        if not self.inputs and not self.outputs:
            self.problems.error(
                "RS011",
                "the network has no inputs and no outputs",
                self.document.span(path, key=True),
                expected="at least one output to train",
            )
        self.connections = self._connections()
        w_rec = self._matrix("w_rec", "normal")
        w_in = self._matrix("w_in", "normal")
        w_out = self._matrix("w_out", "normal")
        bias = self._bias()
        return Network(
            path,
            self.dt,
            self.populations,
            Activation((*path, "activation"), self.spec.activation.kind, self.spec.activation.options),
            self._noise(),
            self.inputs,
            self.outputs,
            w_rec,
            w_in,
            w_out,
            bias,
            any(o.bias for o in self.spec.outputs.values()),
            self.spec.dale,
        )

    # --- layout --------------------------------------------------------------------------------------

    def _populations(self) -> tuple[Population, ...]:
        populations, start = [], 0
        for name, p in self.spec.populations.items():
            path = ("network", "populations", name)
            populations.append(Population(path, name, start, start + p.size, self._seconds(p.tau), p.sign))
            start += p.size
        return tuple(populations)

    def _inputs(self) -> tuple[InputChannel, ...]:
        channels, start = [], 0
        for name, c in self.spec.inputs.items():
            path = ("network", "inputs", name)
            stop = start + (c.ring or c.size or 1)
            targets = self._members(c.to, (*path, "to"))
            channels.append(InputChannel(path, name, start, stop, c.ring is not None, targets))
            start = stop
        return tuple(channels)

    def _outputs(self) -> tuple[OutputChannel, ...]:
        channels, start = [], 0
        for name, c in self.spec.outputs.items():
            path = ("network", "outputs", name)
            stop = start + (c.ring or c.size or 1)
            sources = self._members(c.from_, (*path, "from"))
            activation = Activation((*path, "activation"), c.activation.kind, c.activation.options)
            if ACTIVATIONS[c.activation.kind].distribution and stop - start == 1:
                self.problems.error(
                    "RS013",
                    f"the {c.activation.kind} of the single unit of '{name}' is always 1",
                    self.document.span(activation.path),
                    expected="at least two units, or another activation",
                )
            channels.append(OutputChannel(path, name, start, stop, c.ring is not None, sources, activation))
            start = stop
        biases = {c.bias for c in self.spec.outputs.values()}
        if len(biases) > 1:
            odd = next(name for name, c in self.spec.outputs.items() if c.bias)
            self.problems.error(
                "RS013",
                f"'{odd}' has a readout bias, but other outputs have none",
                self.document.span(("network", "outputs", odd, "bias")),
                expected="'bias: true' for every output, or for none",
            )
        return tuple(channels)

    def _members(self, names: tuple[str, ...] | None, path: Path) -> tuple[str, ...]:
        """Return the populations of a list, in the order of the network; all of them for None."""
        known = self.spec.populations
        for i, name in enumerate(names or ()):
            if name not in known:
                # A single name may be written without a list.
                place = (*path, i) if self.document.node((*path, i)) else path
                self.problems.error(
                    "RS101",
                    f"'{name}' is not a population of this network",
                    self.document.span(place),
                    expected=one_of(known),
                    help=nearest(name, known),
                )
        return tuple(p for p in known if names is None or p in names)

    def _check_names(self) -> None:
        for group in ("inputs", "outputs"):
            for name in getattr(self.spec, group):
                if name in self.spec.populations:
                    self.problems.error(
                        "RS209",
                        f"'{name}' is already a population",
                        self.document.span(("network", group, name), key=True),
                        expected="another name, because connections name both",
                    )

    # --- weights -------------------------------------------------------------------------------------

    def _connections(self) -> dict[MatrixName, dict[tuple[str, str], tuple[ConnectionKey, object]]]:
        """Return the connections of each matrix, by (from, to)."""
        found: dict[MatrixName, dict[tuple[str, str], tuple[ConnectionKey, object]]] = {
            "w_rec": {},
            "w_in": {},
            "w_out": {},
        }
        populations, inputs, outputs = self.spec.populations, self.spec.inputs, self.spec.outputs
        for key, connection in self.spec.connections.items():
            span = self.document.span(("network", "connections", key.text), key=True)
            sources, targets = (*populations, *inputs), (*populations, *outputs)
            for end, choices, kind in ((key.source, sources, "input"), (key.target, targets, "output")):
                if end not in choices:
                    self.problems.error(
                        "RS102",
                        f"'{end}' is neither a population nor an {kind}",
                        span,
                        expected=one_of(choices),
                        help=nearest(end, choices),
                    )
            if key.source not in sources or key.target not in targets:
                continue
            if key.source in inputs and key.target in outputs:
                self.problems.error(
                    "RS102", "an input cannot connect to an output", span, expected="a population at one end"
                )
                continue
            name: MatrixName = (
                "w_in" if key.source in inputs else "w_out" if key.target in outputs else "w_rec"
            )
            reach = {c.name: c.targets for c in self.inputs} if name == "w_in" else {}
            reach |= {c.name: c.sources for c in self.outputs} if name == "w_out" else {}
            channel, population = (key.source, key.target) if name == "w_in" else (key.target, key.source)
            if channel in reach and population not in reach[channel]:
                self.problems.error(
                    "RS102",
                    f"'{channel}' and '{population}' are not connected",
                    span,
                    expected=f"a population named in '{'to' if name == 'w_in' else 'from'}' of '{channel}'",
                )
            found[name][key.source, key.target] = (key, connection)
        return found

    def _matrix(self, name: MatrixName, default: str) -> Matrix:
        units = self.populations[-1].stop
        columns = {"w_rec": units, "w_in": _stop(self.inputs), "w_out": units}[name]
        rows = {"w_rec": units, "w_in": units, "w_out": _stop(self.outputs)}[name]
        blocks = self._blocks(name)
        # The most units that project to one unit.
        fan_in = max(
            (
                sum(b.columns[1] - b.columns[0] for b in blocks if b.present and b.rows == r)
                for r in {b.rows for b in blocks}
            ),
            default=1,
        )
        path = ("network", "weights", name)
        call: DistributionCall | None = getattr(self.spec.weights, name)
        if call is None:
            scale = units if name == "w_rec" else max(fan_in, 1)
            return Matrix(
                path, name, rows, columns, Distribution(path, default, (0.0, scale**-0.5)), None, blocks
            )
        sizes = {"units": float(units), "fan_in": float(max(fan_in, 1))}
        lowered = DistributionLowering(self.document, self.problems).lower(
            call, path, sizes, whole=name == "w_rec"
        )
        init, radius = lowered or (Distribution(path, "zeros", ()), None)
        self._check_fit(init, rows, columns)
        return Matrix(path, name, rows, columns, init, radius, blocks)

    def _blocks(self, name: MatrixName) -> tuple[Block, ...]:
        inputs, outputs, populations = self.inputs, self.outputs, self.populations
        sources = inputs if name == "w_in" else populations
        targets = outputs if name == "w_out" else populations
        blocks = []
        for source in sources:
            for target in targets:
                block = Block(
                    ("network", "connections", f"{source.name} -> {target.name}"),
                    f"{source.name} -> {target.name}",
                    (target.start, target.stop),
                    (source.start, source.stop),
                    _reaches(source, target),
                    None,
                    1.0,
                    True,
                    source.sign if name == "w_rec" and isinstance(source, Population) else None,
                    True,
                )
                blocks.append(self._special(block, name, (source.name, target.name)))
        return tuple(blocks)

    def _special(self, block: Block, name: MatrixName, ends: tuple[str, str]) -> Block:
        """Return a block with the entry of `connections` for it, if there is one."""
        if ends not in self.connections[name]:
            return block
        key, connection = self.connections[name][ends]
        path: Path = ("network", "connections", key.text)
        if not isinstance(connection, spec.Connection):
            return replace(block, path=path, present=False)
        init = None
        if connection.init is not None:
            sizes = {
                "units": float(self.populations[-1].stop),
                "fan_in": float(block.columns[1] - block.columns[0]),
            }
            lowered = DistributionLowering(self.document, self.problems).lower(
                connection.init, (*path, "init"), sizes
            )
            if lowered is not None:
                init = lowered[0]
                self._check_fit(init, block.rows[1] - block.rows[0], block.columns[1] - block.columns[0])
        if not connection.self_ and (name != "w_rec" or ends[0] != ends[1]):
            self.problems.error(
                "RS013",
                f"'{ends[0]} -> {ends[1]}' has no self-connections",
                self.document.span((*path, "self"), key=True),
                expected="'self' only in a connection of a population to itself",
            )
        return replace(
            block,
            path=path,
            init=init,
            density=connection.density,
            trainable=connection.trainable,
            sign=connection.sign or block.sign,
            self_connections=connection.self_,
        )

    def _check_fit(self, init: Distribution, rows: int, columns: int) -> None:
        if init.name == "identity" and rows != columns:
            self.problems.error(
                "RS107",
                f"an identity matrix must be square, but this matrix is {rows} x {columns}",
                self.document.span(init.path),
                expected="another distribution",
            )

    def _bias(self) -> Distribution:
        path = ("network", "weights", "bias")
        call = self.spec.weights.bias
        if call is None:
            return Distribution(path, "zeros", ())
        units = float(self.populations[-1].stop)
        lowered = DistributionLowering(self.document, self.problems).lower(call, path, {"units": units})
        if lowered is None:
            return Distribution(path, "zeros", ())
        if lowered[0].name in ("orthogonal", "identity"):
            self.problems.error(
                "RS107",
                f"a bias is a vector, so it cannot be {lowered[0].name}",
                self.document.span(path),
                expected="normal, uniform, gamma or zeros",
            )
        return lowered[0]

    def _noise(self) -> Noise:
        noise = self.spec.noise
        path = ("network", "noise")
        if isinstance(noise, spec.NoNoise):
            return Noise(path, "none", 0.0, Fraction(0))
        tau = self._seconds(noise.tau) if isinstance(noise, spec.OUNoise) else Fraction(0)
        return Noise(path, noise.kind, noise.scale, tau)

    def _seconds(self, time: Time) -> Fraction:
        return time.seconds(self.dt)


def _stop(channels: tuple[InputChannel, ...] | tuple[OutputChannel, ...]) -> int:
    return channels[-1].stop if channels else 0


def _reaches(source: Population | InputChannel, target: Population | OutputChannel) -> bool:
    if isinstance(source, InputChannel):
        return target.name in source.targets
    if isinstance(target, OutputChannel):
        return source.name in target.sources
    return True
