"""The whole spec, and the validation of a `Document`, which gives a `Spec` or diagnostics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from rnnspec.diagnostics import Problems, shorten
from rnnspec.spec.fields import Model, Name, refuse
from rnnspec.spec.messages import misspelt, place, report
from rnnspec.spec.network import Network
from rnnspec.spec.recovery import recover
from rnnspec.spec.skips import Coarsening, Skips
from rnnspec.spec.task import Task
from rnnspec.spec.training import Training
from rnnspec.syntax.compose import Document

#: The version of the language that this program reads.
LANGUAGE_VERSION = 1


def check_version(value: Any) -> Any:
    number = isinstance(value, int) and not isinstance(value, bool)
    if not number or value != LANGUAGE_VERSION:
        newer = number and value > LANGUAGE_VERSION
        raise refuse(
            "RS019",
            f"this spec is written in version {shorten(str(value))} of the language" if newer else "",
            expected=f"version {LANGUAGE_VERSION}",
            help="update rnnspec" if newer else f"write 'rnnspec: {LANGUAGE_VERSION}'",
        )
    return value


class Spec(Model):
    """A specification of a network, a task, and its training."""

    rnnspec: Annotated[Literal[1], BeforeValidator(check_version)] = Field(
        description="Version of the language."
    )
    name: Name | None = Field(
        default=None, description="Name of the spec. A document without a name is a fragment."
    )
    label: str | None = Field(default=None, description="Short name for tables and plots. Default: the name.")
    summary: str = Field(default="", description="One sentence: what the network has to do.")
    network: Network | None = Field(default=None, description="The network that is simulated.")
    task: Task | None = Field(default=None, description="What the network is trained to do.")
    skips: Skips | None = Field(
        default=None, description="Skip connections through time, used only in training."
    )
    coarsening: Coarsening | None = Field(
        default=None, description="Training with a time step that is longer at first."
    )
    training: Training = Field(
        default=Training(), description="Ensemble, batches, optimiser, and when to stop."
    )


def validate(document: Document, problems: Problems, *, fragment: bool | None = None) -> Spec | None:
    """Return a document as a `Spec`; reports mistakes in its shape and types.

    fragment: whether the document may be incomplete; by default, if it has no name.  An incomplete fragment
    gives None and no error.  Where recovery succeeds, a document with errors gives models too, so that later
    stages report the remaining problems.
    """
    value = document.value
    if fragment is None:
        fragment = "name" not in value
    wrong = len(problems.found)
    spec: Spec | None
    try:
        spec = Spec.model_validate(value)
    except ValidationError as error:
        report(error, Spec, document, problems, fragment=fragment)
        spec = _recovered(error, document)
    if not fragment and not any(d.code == "RS019" for d in problems.found[wrong:]):
        complete = _require_sections(value, document, problems)
        return spec if complete else None
    return spec


def _recovered(error: ValidationError, document: Document) -> Spec | None:
    """Return the models of a document after recovery from its errors, and from those which that uncovers."""
    value = document.value
    for _ in range(4):
        if not recover(value, error, Spec, document):
            return None
        try:
            spec = Spec.model_validate(value)
        except ValidationError as next_error:
            error = next_error
            continue
        return spec if spec.name and spec.network and spec.task else None
    return None


def _require_sections(value: dict[str, object], document: Document, problems: Problems) -> bool:
    fragment = "to write a fragment, which may be incomplete, remove 'name'"
    meant = misspelt(Spec, (), value).values()
    missing = [key for key in ("name", "network", "task") if value.get(key) is None and key not in meant]
    for key in missing:
        problems.error(
            "RS011",
            f"the document lacks the key '{key}'",
            place(document, (), key=True),
            expected=f"the key '{key}'",
            help="" if key == "name" else fragment,
        )
    return not missing
