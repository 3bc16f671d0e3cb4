"""Lower a spec to a program, part by part."""

from __future__ import annotations

from rnnspec.diagnostics import Problems
from rnnspec.program.network import lower_network
from rnnspec.program.nodes import Program, Skip
from rnnspec.program.skips import lower_coarsening, lower_skips
from rnnspec.program.timeline import lower_timeline
from rnnspec.program.training import lower_training
from rnnspec.spec.document import Spec
from rnnspec.syntax.compose import Document


def lower(spec: Spec, document: Document, problems: Problems, alike: Program | None = None) -> Program | None:
    """Lower a complete spec.

    Requires: a spec with a name, a network and a task, validated from the document.  alike: a program without
    errors of the same network, task and loss, whose parts are taken over.
    Ensures: a part with an error is reported and left out.  Returns None if the network has no dt.
    """
    assert spec.name is not None
    assert spec.network is not None
    assert spec.task is not None
    iterations = spec.training.iterations
    network = alike.network if alike else lower_network(spec.network, document, problems)
    coarsening = lower_coarsening(spec.coarsening, iterations)
    if network is None:
        return None
    timeline = (
        alike.timeline
        if alike
        else lower_timeline(spec.task, network, spec.training.loss, document, problems)
    )
    skips: tuple[Skip, ...] = ()
    if spec.skips is not None:
        epochs = tuple(spec.task.epochs)
        skips = lower_skips(spec.skips, epochs, network.dt, iterations, document, problems)
    label = spec.label or spec.name
    training = lower_training(spec.training, timeline)
    return Program(spec.name, label, spec.summary, network, timeline, skips, coarsening, training)
