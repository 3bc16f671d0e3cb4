"""The document of a cluster: how jobs are asked for, and how many units each trains (docs/cluster.md).

It is read like a spec (`document.py`): the same YAML, the same messages.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, Strict, ValidationError

from rnnspec.diagnostics import Problems, nearest, one_of, shorten
from rnnspec.spec.document import check_version
from rnnspec.spec.fields import Model, read_time, refuse
from rnnspec.spec.messages import place, report
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import STEPS

_WALLTIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):(\d\d):(\d\d)")


def read_walltime(value: Any) -> int:
    """Return the seconds of `HH:MM:SS` or `D-HH:MM:SS`."""
    expected = "hours:minutes:seconds, such as '04:00:00', or '2-00:00:00' for two days"
    found = _WALLTIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refuse("RS012" if not isinstance(value, str) else "RS013", expected=expected)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if minutes > 59 or seconds > 59 or total < 60:
        raise refuse("RS013", expected=f"{expected}; at least a minute")
    return total


def _read_seconds(value: Any) -> float:
    time = read_time(value, unit="min", positive=True)
    if time.unit in STEPS:
        raise refuse("RS014", "a job has no steps", expected="a time such as '2 min' or '90 s'")
    return float(time.seconds(0))  # type: ignore[arg-type]


def _one_node(value: Any) -> int:
    if isinstance(value, bool) or value != 1:
        raise refuse("RS013", expected="1: only SLURM gives a job several", help="raise 'jobs' instead")
    return 1


OneNode = Annotated[int, BeforeValidator(_one_node)]
Walltime = Annotated[int, PlainValidator(read_walltime)]
Seconds = Annotated[float, PlainValidator(_read_seconds)]
Count = Annotated[int, Field(ge=1)]
Word = Annotated[str, Field(min_length=1)]
Strings = Annotated[tuple[Word, ...], Strict(False)]
Port = Annotated[int, Field(ge=1024, le=65535)]


class Cluster(Model):
    """What all providers have in common."""

    #: Whether the scheduler counts walltimes in whole minutes.
    minutes: ClassVar[bool] = False

    rnnspec: Annotated[Literal[1], BeforeValidator(check_version)] = Field(
        description="Version of the language."
    )
    provider: str = Field(description="Where units are trained: slurm, pbs, lsf, kubernetes or local.")
    jobs: Count = Field(default=1, description="The most jobs that are queued or run at a time.")
    nodes: OneNode = Field(default=1, description="Nodes of a job; only SLURM gives more than one.")
    units_per_node: Count = Field(default=1, description="Units that a node trains at a time.")
    threads: Count = Field(default=1, description="Processor cores, and threads, for each unit.")
    walltime: Walltime | None = Field(
        default=None, description="Time limit of a job: 'HH:MM:SS' or 'D-HH:MM:SS'."
    )
    stop_before: Seconds = Field(
        default=120.0, description="Units are saved so long before the walltime of their job."
    )
    address: Word | None = Field(
        default=None,
        description="What nodes reach this machine by: an IP address, a network interface ('ib0') or a host "
        "name. Default: the address of its host name.",
    )
    ports: tuple[Port, Port] | None = Field(
        default=None, strict=False, description="First and last port on which nodes may reach this machine."
    )
    gpus: Count | None = Field(
        default=None, description="GPUs of a node, which its units share: one GPU for each unit at most."
    )
    worker_init: str = Field(
        default="", description="Shell commands at the beginning of a job: 'module load gcc/13'."
    )
    python: Word | None = Field(
        default=None, description="The Python of the nodes that has rnnspec. Default: the path of this one."
    )
    poll: Seconds | None = Field(
        default=None, description="Time between two questions to the scheduler about the state of jobs."
    )

    @property
    def slots(self) -> int:
        """The most units that are trained at a time."""
        return self.jobs * self.nodes * self.units_per_node


class Batch(Cluster):
    """A scheduler that starts jobs."""

    walltime: Walltime = Field(description="Time limit of a job: 'HH:MM:SS' or 'D-HH:MM:SS'.")
    account: Word | None = Field(default=None, description="The account or project that is charged.")
    options: Strings = Field(
        default=(), description="Further options of the scheduler, one each: '--reservation=lab'."
    )


class Slurm(Batch):
    """Jobs of SLURM."""

    minutes = True

    provider: Literal["slurm"]
    nodes: Count = Field(default=1, description="Nodes of a job.")
    partition: Word | None = Field(default=None, description="The partition; default: that of the cluster.")
    qos: Word | None = Field(default=None, description="The quality of service.")
    constraint: Word | None = Field(default=None, description="Features that a node must have.")
    memory: Count | None = Field(default=None, description="Memory for each unit, in GB.")
    exclusive: bool = Field(default=False, description="Whether a job has its nodes for itself.")


class Pbs(Batch):
    """Jobs of PBS Pro or OpenPBS."""

    provider: Literal["pbs"]
    queue: Word | None = Field(default=None, description="The queue; default: that of the cluster.")
    memory: Count | None = Field(default=None, description="Memory for each unit, in GB.")


class Lsf(Batch):
    """Jobs of IBM Spectrum LSF."""

    minutes = True

    provider: Literal["lsf"]
    queue: Word | None = Field(default=None, description="The queue; default: that of the cluster.")


class Kubernetes(Cluster):
    """Pods of Kubernetes."""

    provider: Literal["kubernetes"]
    image: Word = Field(description="The container image, with rnnspec[train,cluster] and a C++ compiler.")
    volumes: Annotated[dict[Word, Word], Field(min_length=1)] = Field(
        description="Where each persistent volume claim is mounted: 'lab-data: /data'. The folder of the "
        "sweep must lie on one of them, and have the same path on this machine."
    )
    namespace: Word = Field(default="default", description="The namespace of the pods.")
    memory: Count = Field(default=2, description="Memory for each unit, in GB.")
    python: Word = Field(default="python3", description="The Python of the image that has rnnspec.")
    service_account: Word | None = Field(default=None, description="The service account of the pods.")
    secret: Word | None = Field(default=None, description="The secret with which the image is pulled.")
    user: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="The user of the processes, who must own the folder of the sweep."
    )
    group: Annotated[int, Field(ge=0)] | None = Field(default=None, description="The group of the processes.")


class Local(Cluster):
    """Processes on this machine: to try a configuration."""

    provider: Literal["local"]


PROVIDERS: dict[str, type[Cluster]] = {
    "slurm": Slurm,
    "pbs": Pbs,
    "lsf": Lsf,
    "kubernetes": Kubernetes,
    "local": Local,
}


def validate_cluster(document: Document, problems: Problems) -> Cluster | None:
    """Return a document as a cluster; None, and its mistakes are reported, if it has any."""
    name = document.value.get("provider")
    model = PROVIDERS.get(name) if isinstance(name, str) else None
    if model is None:
        missing = name is None
        problems.error(
            "RS011" if missing else "RS013",
            "the document lacks the key 'provider'" if missing else f"'provider' is '{shorten(str(name))}'",
            place(document, () if missing else ("provider",), key=missing),
            expected="the key 'provider'" if missing else one_of(PROVIDERS),
            help=f"add 'provider': {one_of(PROVIDERS)}" if missing else nearest(str(name), PROVIDERS),
        )
        return None
    try:
        cluster = model.model_validate(document.value)
    except ValidationError as error:
        report(error, model, document, problems, fragment=False)
        return None
    found = _contradiction(cluster)
    if found is None:
        return cluster
    key, message, expected = found
    problems.error("RS013", message, place(document, (key,)), expected=expected)
    return None


def _contradiction(cluster: Cluster) -> tuple[str, str, str] | None:
    """Return key, message and expectation of the first value that does not fit the others."""
    if cluster.walltime is not None and cluster.minutes and cluster.walltime % 60:
        return "walltime", "'walltime' has seconds", "whole minutes, as the scheduler counts them"
    if cluster.walltime is not None and cluster.stop_before >= cluster.walltime:
        key = "stop_before" if "stop_before" in cluster.model_fields_set else "walltime"
        what = f"units are saved {cluster.stop_before:g} s before the end of a job of {cluster.walltime} s"
        return key, what, "a walltime that is longer than 'stop_before'"
    gpus = cluster.gpus
    if gpus is not None and cluster.units_per_node > gpus and cluster.units_per_node % gpus:
        message = f"{cluster.units_per_node} units cannot share {gpus} GPUs equally"
        return "units_per_node", message, f"at most {gpus}, or a multiple of it"
    if cluster.ports is not None and cluster.ports[0] > cluster.ports[1]:
        return "ports", "the first port is above the last", "two numbers, such as [54000, 54100]"
    return None
