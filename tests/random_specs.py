"""Random valid specs: small networks and tasks that use every part of the language."""

from __future__ import annotations

from hypothesis import strategies as st

from rnnspec.spec.activations import ACTIVATIONS

Node = dict[str, object]
draws = st.composite


@draws
def specs(draw: st.DrawFn) -> Node:
    """Draw a complete, valid document: at most 9 units, 2 trials, 3 epochs of at most 8 steps."""
    network = draw(networks())
    inputs, outputs = network["inputs"], network["outputs"]
    assert isinstance(inputs, dict)
    assert isinstance(outputs, dict)
    task = draw(tasks(inputs, outputs))
    document: Node = {
        "rnnspec": 1,
        "name": "random",
        "network": network,
        "task": task,
        "training": draw(trainings()),
    }
    if draw(st.booleans()):
        epochs = task["epochs"]
        assert isinstance(epochs, dict)
        document["skips"] = draw(skips(list(epochs)))
    if draw(st.booleans()):
        document["coarsening"] = {"from": draw(st.sampled_from([1.5, 2, 3])), "over": "10 iterations"}
    return document


@draws
def networks(draw: st.DrawFn) -> Node:
    names = draw(st.sampled_from([["one"], ["exc", "inh"], ["a", "b_", "lambda"]]))
    populations = {}
    for name in names:
        population: Node = {
            "size": draw(st.integers(1, 3)),
            "tau": draw(st.sampled_from(["100 ms", "40 ms"])),
        }
        if draw(st.booleans()):
            population["sign"] = draw(st.sampled_from(["excitatory", "inhibitory"]))
        populations[name] = population
    readout = st.sampled_from(["linear", "sigmoid", "softplus", "tanh"])
    network: Node = {
        "dt": "10 ms",
        "populations": populations,
        "activation": draw(
            # Not power: rates of random networks would overflow.
            st.sampled_from(
                [
                    {"kind": f.name, **{option.name: 0.2 for option in f.options}}
                    for f in ACTIVATIONS.values()
                    if not f.distribution and f.name != "power"
                ]
            )
        ),
        "noise": draw(
            st.sampled_from(
                ["none", {"kind": "ou", "scale": 0.3, "tau": "50 ms"}, {"kind": "white", "scale": 0.1}]
            )
        ),
        "inputs": {"go": {}, "place": {"ring": 4, "to": draw(st.sampled_from(names))}, "cue": {"size": 2}},
        "outputs": {
            "hold": {"activation": draw(readout)},
            "where_to": {"ring": 4, "activation": draw(readout)},
            "choice": {"size": 2, "activation": draw(st.sampled_from(["softmax", "linear"]))},
        },
        "weights": {"bias": "normal(0, 0.5)"},
        "dale": draw(st.sampled_from(["relu", "abs"])),
    }
    if draw(st.booleans()):
        network["weights"] = {"w_rec": "spectral(normal(0, 1), 1.2)", "bias": "uniform(0, 1)"}
    if len(names) > 1 and draw(st.booleans()):
        network["connections"] = {
            f"{names[0]} -> {names[1]}": {"density": 0.6, "trainable": draw(st.booleans())},
            f"{names[0]} -> {names[0]}": {"self": False},
            f"{names[1]} -> {names[0]}": draw(st.sampled_from(["none", {"init": "gamma(2, 0.1)"}])),
        }
    return network


@draws
def tasks(draw: st.DrawFn, inputs: Node, outputs: Node) -> Node:
    trials = draw(st.integers(1, 2))
    variables: Node = {
        "direction": "uniform(0, 2*pi)",
        "side": "choice(0, 1)",
        "strength": "0.5 + 0.5 * bernoulli(0.5) + normal(0, 0.1)",
        "wait": "uniform(0, 0.04)",
        "before": "previous(side, 1)",
        "import": "exponential(0.1, 0, 0.3) + integer(1, 3) % 2",
    }
    reading = draw(st.booleans())
    if reading:
        variables["right"] = "answered == side"
        variables["last"] = "previous(answered, 0)"
    epochs: dict[str, Node] = {}
    names = draw(st.sampled_from([["only"], ["stimulus", "response"], ["class", "delay", "response_"]]))
    for i, name in enumerate(names):
        epochs[name] = draw(epoch(known=reading and i == len(names) - 1 and len(names) > 1))
    if reading:
        answering = epochs[names[-2] if len(names) > 1 else names[0]]
        answering["read"] = {
            "answered": draw(st.sampled_from(["argmax(choice)", "angle(where_to) > pi", "hold"]))
        }
    if draw(st.booleans()):
        epochs = {"first": {"duration": "30 ms", "gradient": False}, **epochs}
    task: Node = {"trials": trials, "draw": variables, "epochs": epochs, "input": {"go": 1}}
    task["correct"] = draw(
        st.sampled_from(["hold > 0.5", "distance(angle(where_to), direction) < 1 or t > 0.03"])
    )
    if draw(st.booleans()):
        task["burn_in"] = "40 ms"
    if draw(st.booleans()):
        task["sequence"] = {
            "block": {"balanced": [[0] * trials, [1] * trials]},
            "level": {"balanced": [[x] * trials for x in (0.2, 0.5, "bias", 1)]},
            "bias": "uniform(-1, 1)",
        }
        drives = draw(st.sampled_from([{}, {"cue": "level"}]))
        task["input"] = {"go": 1, **drives}
        task["scored"] = "block == 0 or side == 0"
    if reading and draw(st.booleans()):
        task["success"] = "answered == side"
    return task


@draws
def epoch(draw: st.DrawFn, known: bool) -> Node:
    """known: whether the read of an earlier epoch may be used."""
    found: Node = {"duration": draw(st.sampled_from(["40 ms", "55 ms", "20 ms + wait", "wait"]))}
    fixed = found["duration"] in ("40 ms", "55 ms")
    if fixed and draw(st.booleans()):
        found["jitter"] = "20 ms"
    if fixed and draw(st.booleans()):
        found["grace"] = "10 ms"
    drives = {
        "place": draw(
            st.sampled_from(["strength * ring(direction)", "ring(direction + t, 1)", "white(0.1)", "0.2"])
        ),
        "cue": draw(
            st.sampled_from(["onehot(side)", "pick(side, 0.1, 0.2)", "where(before == 1, onehot(0), 0)"])
        ),
        "go": draw(st.sampled_from(["none", "sin(10*t) + white(0.05) - white(0.02)", "max(strength, 0)"])),
    }
    if known:
        drives["cue"] = draw(st.sampled_from(["onehot(right)", "right * onehot(side)"]))
    found["input"] = {k: v for k, v in drives.items() if draw(st.booleans())}
    targets = {
        "hold": draw(st.sampled_from(["0.8", "t / 0.1", "side"])),
        "where_to": "0.05 + 0.8 * ring(direction)",
        "choice": "onehot(last)" if known and draw(st.booleans()) else "onehot(side)",
    }
    found["target"] = {k: v for k, v in targets.items() if draw(st.booleans())}
    if draw(st.booleans()):
        found["phase"] = draw(st.sampled_from(["hold", "respond"]))
    if draw(st.booleans()):
        found["weight"] = draw(st.sampled_from(["2", "t > 0.02", "right + 1" if known else "side"]))
    return found


@draws
def skips(draw: st.DrawFn, epochs: list[str]) -> Node:
    kind = st.sampled_from(["sctt", "dasc"])
    edges: Node = {}
    for name, period in (("short", "2 steps"), ("long", "3 steps")):
        if draw(st.booleans()):
            edge: Node = {"kind": draw(kind), "every": period}
            edge["per"] = draw(st.sampled_from(["epoch", "trial", "sequence"]))
            if edge["kind"] == "dasc":
                edge["increment"] = draw(st.sampled_from(["departing", "arriving"]))
            edges[name] = edge
    if draw(st.booleans()):
        edges["whole"] = {"kind": draw(kind), "from": "trial.start", "to": "trial.end"}
    if draw(st.booleans()):
        edges["late"] = {
            "kind": draw(kind),
            "from": f"{epochs[0]}.start",
            "to": "trial.end",
            "beta": {"from": 0.8},
        }
    return {"beta": {"from": draw(st.sampled_from([0.3, 0.5]))}, "edges": edges}


@draws
def trainings(draw: st.DrawFn) -> Node:
    return {
        "networks": 2,
        "batch": 4,
        "iterations": 20,
        "trials": draw(st.sampled_from(["shared", "independent"])),
        "loss": draw(st.sampled_from(["auto", "squared_error"])),
        "penalty": draw(st.sampled_from([{}, {"rate_l1": 0.01, "w_rec_l2": 0.1, "w_out_l1": 0.1}])),
        "evaluate": {"every": 10, "batch": 4},
        "seed": draw(st.integers(0, 3)),
    }
