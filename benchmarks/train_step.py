"""Compare the time of a training iteration of rnnspec with hand-written implementations.

    python benchmarks/train_step.py --networks 100 --repeats 5 --json benchmark.json

Every peer runs in its own process with the same number of threads.  After warm-up the peers take turns: one
iteration without timing, then one with, so that other load on the machine slows all of them equally.  The
table shows the median.  workload.py defines what each peer computes; tests/test_benchmarks.py checks that all
compute the same.

Operations are counted as in rnnspec/runtime/cost.py: 2 for each multiply-add of every matrix product, with
full matrices.  The matrix rate is that of float32 products of size 2048 in torch, measured in turn with the
peers.  "The arithmetic alone" is the time of the same number of operations at that rate.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers import MATRIX, PEERS, Worker, available, default_threads, machine, quiet_environment
from workload import SPEC, Workload


def main(words: Sequence[str] | None = None) -> None:
    options = _options(words)
    workload = Workload(networks=options.networks)
    threads = options.threads or default_threads()
    quiet_environment(threads)
    names = _chosen(options.peers)
    workers = []
    for name in [MATRIX, *names]:
        _say(f"{name}: start")
        workers.append(Worker(name, workload, threads))
    for turn in range(options.repeats):
        _say(f"turn {turn + 1} of {options.repeats}")
        for worker in workers:
            worker.measure()
    for worker in workers:
        worker.close()
    result = report(workload, workers, threads)
    print_table(result)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def report(workload: Workload, workers: Sequence[Worker], threads: int) -> dict[str, object]:
    """Return all measurements and the quantities derived from them."""
    from rnnspec.check.examine import load
    from rnnspec.runtime.cost import iteration_cost
    from rnnspec.training.bench import PRODUCT_OPERATIONS

    cost = iteration_cost(load(SPEC, (), workload.settings()).program)
    operations = workload.networks * (cost.forward + cost.backward)
    matrix, *peers = workers
    if matrix.failure is not None:
        raise SystemExit(f"the matrix product could not be timed: {matrix.failure}")
    rate = PRODUCT_OPERATIONS / matrix.median
    finished = [peer for peer in peers if peer.failure is None]
    rows = {
        peer.name: {
            "what": PEERS[peer.name],
            "median": peer.median,
            "fastest": min(peer.seconds),
            "slowest": max(peer.seconds),
            "seconds": peer.seconds,
            # The time of the first iteration beyond the median: imports and compilation.
            "start": max(peer.start - peer.median, 0.0),
            "peak_bytes": peer.memory,
            "operations_per_second": operations / peer.median,
            "share_of_matrix_rate": operations / peer.median / rate,
            "times_the_arithmetic": peer.median * rate / operations,
            "ratio_to": {other.name: peer.median / other.median for other in finished},
        }
        for peer in finished
    }
    return {
        "machine": machine(threads),
        "workload": {"spec": SPEC.stem, "networks": workload.networks, "sequences": workload.sequences},
        "operations": operations,
        "operations_of_existing_connections": workload.operations(),
        "matrix_rate": rate,
        "arithmetic_seconds": operations / rate,
        "peers": rows,
        "failed": {peer.name: peer.failure for peer in peers if peer.failure is not None},
    }


def print_table(result: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = result["peers"]
    ours = {name: row["median"] for name, row in rows.items() if name.startswith("rnnspec-")}
    best = min(ours, key=ours.__getitem__, default=None)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("", no_wrap=True)
    headings = ["s/iteration", "min-max", "GFLOP/s", "of matrix rate", "x arithmetic"]
    headings += [f"x {best}"] if best else []
    for heading in [*headings, "start, s", "peak GB"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows.values():
        cells = [
            row["what"],
            f"{row['median']:.3f}",
            f"{row['fastest']:.3f}-{row['slowest']:.3f}",
            f"{row['operations_per_second'] / 1e9:.1f}",
            f"{100 * row['share_of_matrix_rate']:.1f} %",
            f"{row['times_the_arithmetic']:.1f}",
        ]
        cells += [f"{row['ratio_to'][best]:.2f}"] if best else []
        table.add_row(*cells, f"{row['start']:.1f}", f"{row['peak_bytes'] / 1e9:.2f}")
    machine, workload = result["machine"], result["workload"]
    print(f"{workload['spec']}, {workload['networks']} networks, {workload['sequences']} trials")
    print(f"{machine['processor']}, {machine['threads']} threads")
    print(f"large matrix products   {result['matrix_rate'] / 1e9:.0f} GFLOP/s")
    existing = result["operations_of_existing_connections"] / 1e9
    print(
        f"operations              {result['operations'] / 1e9:.1f} GFLOP with full matrices; "
        f"{existing:.1f} GFLOP for the connections that exist"
    )
    print(f"the arithmetic alone    {result['arithmetic_seconds']:.3f} s")
    # In a file, the table is as wide as it needs to be.
    Console(width=160 if not sys.stdout.isatty() else None, highlight=False).print(table)
    for name, reason in result["failed"].items():
        print(f"{name} failed: {reason}")


def _chosen(names: str | None) -> list[str]:
    known = available()
    if names is None:
        return known
    chosen = [name.strip() for name in names.split(",")]
    for name in chosen:
        if name not in known:
            reason = "is not installed" if name in PEERS else "is not a peer"
            raise SystemExit(f"'{name}' {reason}; choose from {', '.join(known)}")
    return chosen


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare the time of a training iteration of rnnspec with hand-written implementations."
    )
    parser.add_argument("--networks", type=int, default=100, metavar="K")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="iterations to time")
    parser.add_argument("--threads", type=int, metavar="N", help="of every peer; default: torch's choice")
    parser.add_argument(
        "--peers", metavar="A,B,...", help=f"of {', '.join(PEERS)}; default: all that are installed"
    )
    parser.add_argument("--json", metavar="FILE", help="write the numbers to this file")
    return parser.parse_args(words)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
