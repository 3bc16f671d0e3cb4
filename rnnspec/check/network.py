"""RS1xx: rules of the network."""

from __future__ import annotations

from fractions import Fraction

from rnnspec.check.growth import activity_stays, rates_respond
from rnnspec.check.refused import dt_path, refused
from rnnspec.check.task import MAX_STEPS
from rnnspec.diagnostics import Problems
from rnnspec.program.nodes import Network, Program
from rnnspec.program.printer import print_time
from rnnspec.syntax.compose import Document

#: The shortest step of a simulation, in seconds: firing rates change within milliseconds.
SHORTEST_DT = Fraction(1, 10**9)


def dt_within_tau(program: Program, document: Document, problems: Problems) -> None:
    """RS103: dt is longer than a time constant, so Euler steps overshoot."""
    network = program.network
    taus = {(*p.path, "tau"): p.tau for p in network.populations}
    if network.noise.kind == "ou":
        taus[*network.noise.path, "tau"] = network.noise.tau
    shorter = {path: tau for path, tau in taus.items() if tau < network.dt}
    if not shorter:
        return
    if len(shorter) == 1 < len(taus):
        ((path, tau),) = shorter.items()
        problems.error(
            "RS103",
            f"a tau of {print_time(tau)} is shorter than dt",
            document.span(path),
            expected=f"at least dt, {print_time(network.dt)}",
            help="use a longer tau or a shorter dt; a dt of at most tau / 10 is usual",
        )
        return
    which = (
        "every time constant"
        if len(shorter) == len(taus)
        else f"{len(shorter)} of {len(taus)} time constants"
    )
    shortest = min(shorter.values())
    problems.error(
        "RS103",
        f"a dt of {print_time(network.dt)} is longer than {which}",
        document.span(dt_path(program)),
        expected=f"at most {print_time(shortest)}, the shortest tau",
        help=f"a tenth of the shortest tau is usual: write '{print_time(shortest / 10)}'",
    )


def dt_within_reach(program: Program, document: Document, problems: Problems) -> None:
    """RS109: a step far below every time scale of a firing rate."""
    network = program.network
    if network.dt < SHORTEST_DT:
        problems.error(
            "RS109",
            "a simulation step below 1 ns",
            document.span((*network.path, "dt")),
            expected="at least 0.001 us",
            help="steps of 1 ms to 20 ms are usual",
        )


def inputs_reach(program: Program, document: Document, problems: Problems) -> None:
    """RS105: an input without connections."""
    network = program.network
    for channel in network.inputs:
        columns = (channel.start, channel.stop)
        if not any(b.present for b in network.w_in.blocks if b.columns == columns):
            problems.error(
                "RS105",
                f"the input '{channel.name}' is connected to no population",
                document.span(channel.path, key=True),
                expected="a connection to at least one population",
                help="name a population in 'to', or remove the input",
            )


def outputs_influenced(program: Program, document: Document, problems: Problems) -> None:
    """RS106: an output that no input can influence, even through several populations."""
    network = program.network
    driven = _driven(network)
    for channel in network.outputs:
        rows = (channel.start, channel.stop)
        sources = {b.columns for b in network.w_out.blocks if b.rows == rows and b.present}
        if not sources & driven:
            problems.error(
                "RS106",
                f"no input can influence the output '{channel.name}'",
                document.span(channel.path, key=True),
                expected="a path of connections from an input to a population in 'from'",
                help="add a connection, or change 'from'",
            )


def _driven(network: Network) -> set[tuple[int, int]]:
    """Return the unit ranges that inputs reach; in a network without inputs, all ranges."""
    if not network.inputs:
        return {(p.start, p.stop) for p in network.populations}
    found = {b.rows for b in network.w_in.blocks if b.present}
    while True:
        more = {b.rows for b in network.w_rec.blocks if b.present and b.columns in found} - found
        if not more:
            return found
        found |= more


def tau_within_reach(program: Program, document: Document, problems: Problems) -> None:
    """RS222: a time constant of too many steps."""
    network = program.network
    if refused(document, problems, dt_path(program)):
        return
    taus = {(*p.path, "tau"): p.tau for p in network.populations} | {
        (*network.noise.path, "tau"): network.noise.tau
    }
    for path, tau in taus.items():
        if tau / network.dt > MAX_STEPS:
            problems.error(
                "RS222",
                f"a tau of {print_time(tau)} is more than {MAX_STEPS:,} steps of {print_time(network.dt)}",
                document.span(path),
                expected=f"at most {print_time(MAX_STEPS * network.dt)}",
            )


RULES = (
    dt_within_tau,
    dt_within_reach,
    tau_within_reach,
    inputs_reach,
    outputs_influenced,
    activity_stays,
    rates_respond,
)
