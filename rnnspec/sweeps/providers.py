"""Where a cluster is asked for jobs: a file that describes it, and the `Config` of Parsl that follows.

Parsl is the optional dependency `cluster`; only `parsl_config` and Python files need it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import runpy
import shlex
import shutil
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnspec.diagnostics import Problems
from rnnspec.errors import RequestError
from rnnspec.spec.cluster import Batch, Cluster, Kubernetes, Lsf, Pbs, Slurm, validate_cluster
from rnnspec.syntax.compose import Document
from rnnspec.syntax.source import neighbour, read_file

if TYPE_CHECKING:
    from parsl.config import Config

#: The name of the executor, which the scheduler shows in the names of jobs.
LABEL = "rnnspec"
#: The variable of a job with the time (seconds since 1970) at which its units are saved.
STOPS_AT = "RNNSPEC_STOPS_AT"
#: A job takes no new unit so many seconds before its units are saved, or in the last tenth of a short job.
_EARLIER = 60
#: Seconds after which a job without units is given back.
_IDLE = 60.0
#: Seconds that a command of the scheduler may take.
_COMMAND = 120


@dataclass(frozen=True)
class Jobs:
    """What a pool needs to know of a cluster.

    config: of Parsl, with one executor.  slots: the most units at a time.  threads: for each unit.
    """

    config: Config
    slots: int
    threads: int


def load_jobs(path: Path | str, folder: Path) -> Jobs:
    """Read how jobs are asked for, from YAML or from a Python file with a `Config` of Parsl.

    folder: for the files of Parsl.  Raises SpecError for mistakes in YAML, RequestError if Parsl is not
    installed or the file cannot be used.
    """
    if Path(path).suffix == ".py":
        require_parsl()
        return _jobs_of_config(_config_of(Path(path)), folder)
    cluster = load_cluster(path)
    require_parsl()
    return Jobs(parsl_config(cluster, folder), cluster.slots, cluster.threads)


def load_cluster(path: Path | str) -> Cluster:
    """Read the document of a cluster.  Raises SpecError with all its mistakes."""
    problems = Problems()
    tree = read_file(path, problems)
    cluster = None if tree is None else validate_cluster(Document(tree, str(path)), problems)
    problems.stop_on_error()
    assert cluster is not None
    return cluster


def require_parsl() -> None:
    """Raise RequestError if Parsl is not installed."""
    try:
        import parsl  # noqa: F401
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "parsl":
            raise
        raise RequestError(
            "The Python package parsl is not installed; --on needs it.",
            "Install it: pip install 'rnnspec[train,cluster]'",
        ) from None


def parsl_config(cluster: Cluster, folder: Path) -> Config:
    """Return the configuration of Parsl for a cluster.  folder: for its files."""
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.error_handlers import windowed_error_handler

    gpus = cluster.gpus
    executor = HighThroughputExecutor(
        label=LABEL,
        provider=_provider(cluster),
        address=_address(cluster),
        worker_port_range=cluster.ports or (54000, 55000),
        max_workers_per_node=cluster.units_per_node,
        # The document says how many units a node takes; Parsl must not count cores again.
        cores_per_worker=0.001,
        available_accelerators=0 if gpus is None else max(gpus, cluster.units_per_node),
        # Three jobs in a row that end before they have reached this machine end the sweep.
        block_error_handler=windowed_error_handler,
        encrypted=True,
    )
    _prepare(executor, cluster.python or sys.executable, _lifetime(cluster))
    return Config(
        executors=[executor],
        run_dir=str(folder),
        strategy="htex_auto_scale",
        max_idletime=_IDLE,
        retries=0,
        usage_tracking=0,
    )


# --- providers ---------------------------------------------------------------------------------------


def _provider(cluster: Cluster) -> Any:
    from parsl import providers

    common: dict[str, Any] = {
        "nodes_per_block": cluster.nodes,
        "init_blocks": 0,
        "min_blocks": 0,
        "max_blocks": cluster.jobs,
        "worker_init": cluster.worker_init,
    }
    cores = cluster.threads * cluster.units_per_node
    if isinstance(cluster, Batch):
        common["walltime"] = _clock(cluster.walltime)
        common["cmd_timeout"] = _COMMAND
        _require_command(cluster.provider)
    match cluster:
        case Slurm():
            kind = providers.SlurmProvider
            special: dict[str, Any] = {
                "launcher": _launcher(cluster.nodes, cores),
                "partition": cluster.partition,
                "account": cluster.account,
                "qos": cluster.qos,
                "constraint": cluster.constraint,
                "cores_per_node": cores,
                "mem_per_node": _memory(cluster),
                "gpus_per_node": cluster.gpus,
                "exclusive": cluster.exclusive,
                "scheduler_options": _lines("#SBATCH", cluster.options),
            }
        case Pbs():
            kind = providers.PBSProProvider
            memory, gpus = _memory(cluster), cluster.gpus
            chosen = [f"mem={memory}gb"] if memory else []
            chosen += [f"ngpus={gpus}"] if gpus else []
            special = {
                "queue": cluster.queue,
                "account": cluster.account,
                "cpus_per_node": cores,
                "select_options": ":".join(chosen),
                "scheduler_options": _lines("#PBS", cluster.options),
            }
        case Lsf():
            kind = providers.LSFProvider
            options = ((f"-gpu num={cluster.gpus}",) if cluster.gpus else ()) + cluster.options
            special = {
                "queue": cluster.queue,
                "project": cluster.account,
                "request_by_nodes": False,
                "cores_per_block": cores,
                "cores_per_node": cores,
                # Without '<', bsub does not read the options in the script.
                "bsub_redirection": True,
                "scheduler_options": _lines("#BSUB", options),
            }
        case Kubernetes():
            kind = providers.KubernetesProvider
            special = _pod(cluster, cores)
            _require_kubernetes()
        case _:
            kind = providers.LocalProvider
            special = {}
    if cluster.poll is not None:
        # Parsl has no argument for it.
        kind = type(kind.__name__, (kind,), {"status_polling_interval": cluster.poll})
    return kind(**common, **special)


def _pod(cluster: Kubernetes, cores: int) -> dict[str, Any]:
    memory = f"{_memory(cluster)}Gi"
    return {
        "image": cluster.image,
        "namespace": cluster.namespace,
        "persistent_volumes": list(cluster.volumes.items()),
        "init_cpu": float(cores),
        "max_cpu": float(cores),
        "init_mem": memory,
        "max_mem": memory,
        "extra_limits": {"nvidia.com/gpu": str(cluster.gpus)} if cluster.gpus else None,
        "service_account_name": cluster.service_account,
        "secret": cluster.secret,
        "user_id": None if cluster.user is None else str(cluster.user),
        "group_id": None if cluster.group is None else str(cluster.group),
    }


def _launcher(nodes: int, cores: int) -> Any:
    """Return what starts the processes of a job on each of its nodes.  cores: of a node."""
    from parsl import launchers

    if nodes == 1:
        return launchers.SingleNodeLauncher()
    # Since SLURM 22.05, srun does not take the number of cores from the job.
    return launchers.SrunLauncher(overrides=f"--cpus-per-task={cores}")


def _require_command(provider: str) -> None:
    command = {"slurm": "sbatch", "pbs": "qsub", "lsf": "bsub"}[provider]
    if shutil.which(command) is None:
        raise RequestError(
            f"There is no command {command} on this machine, which hands jobs to {provider}.",
            "Run this on a login node of the cluster, where jobs are submitted.",
        )


def _require_kubernetes() -> None:
    try:
        from kubernetes import config
    except ImportError:
        raise RequestError(
            "The Python package kubernetes is not installed; pods are asked for with it.",
            "Install it: pip install kubernetes",
        ) from None
    for load in (config.load_kube_config, config.load_incluster_config):
        with contextlib.suppress(config.ConfigException):
            load()
            return
    raise RequestError(
        "There is no configuration of Kubernetes: neither a kubeconfig file nor that of a pod.",
        "Set KUBECONFIG to the file with which kubectl works.",
    )


def _memory(cluster: Slurm | Pbs | Kubernetes) -> int | None:
    """Return the memory of a node in GB."""
    return None if cluster.memory is None else cluster.memory * cluster.units_per_node


def _lines(prefix: str, options: tuple[str, ...]) -> str:
    return "\n".join(f"{prefix} {option}" for option in options)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _address(cluster: Cluster) -> str:
    """Return the IP address at which this machine listens for the nodes.

    Parsl's own default listens on all interfaces, and asks a server on the internet which they are.
    """
    if cluster.provider == "local" and cluster.address is None:
        return "127.0.0.1"
    given = cluster.address or socket.gethostname()
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(given))
    from parsl.addresses import address_by_interface

    with contextlib.suppress(OSError):
        if given in (name for _, name in socket.if_nameindex()):
            return str(address_by_interface(given))
    try:
        found = socket.gethostbyname(given)
    except OSError:
        found = ""
    if found and (cluster.address or not ipaddress.ip_address(found).is_loopback):
        return found
    names = ", ".join(name for _, name in socket.if_nameindex())
    what = f"'{given}', the host name of this machine," if cluster.address is None else f"address: {given}"
    problem = f"stands for {found}, which nodes cannot reach" if found else "has no IP address"
    raise RequestError(
        f"{what} {problem}.",
        f"Write 'address' in the file of the cluster: an IP address, or one of the interfaces {names}.",
    )


# --- what is the same for documents and Python files ---------------------------------------------------


def _lifetime(cluster: Cluster) -> int | None:
    """Return after how many seconds of a job its units are saved; None if its time has no limit."""
    return None if cluster.walltime is None else int(cluster.walltime - cluster.stop_before)


def _prepare(executor: Any, python: str, lifetime: int | None) -> None:
    """Let an executor find its programs without PATH, and let its jobs know when they have to stop."""
    from parsl.executors.high_throughput.executor import (
        DEFAULT_INTERCHANGE_LAUNCH_CMD,
        DEFAULT_LAUNCH_CMD,
    )

    if executor.interchange_launch_cmd == DEFAULT_INTERCHANGE_LAUNCH_CMD:
        executor.interchange_launch_cmd = [sys.executable, "-m", "rnnspec.sweeps.interchange"]
    if executor.launch_cmd == DEFAULT_LAUNCH_CMD:
        program = f"{shlex.quote(python)} -m parsl.executors.high_throughput.process_worker_pool"
        executor.launch_cmd = executor.launch_cmd.replace("process_worker_pool.py", program)
        if lifetime is not None:
            # Exactly: Parsl counts from when its own process begins, after all of `worker_init`.
            drain = f"$(({STOPS_AT} - $(date +%s) - {min(_EARLIER, lifetime // 10)}))"
            executor.launch_cmd = executor.launch_cmd.replace("{drain_period}", drain)
    if lifetime is not None:
        begin = f"export {STOPS_AT}=$(($(date +%s) + {lifetime}))"
        executor.provider.worker_init = f"{begin}\n{executor.provider.worker_init}"


def _config_of(path: Path) -> Any:
    """Run a Python file and return its `config`."""
    if not path.is_file():
        raise RequestError(f"There is no file {path}.", neighbour(path) or "Check the spelling.")
    try:
        config = runpy.run_path(str(path)).get("config")
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
        where = f"{path}:{line}" if line else str(path)
        what = f"{type(error).__name__}: {error}".strip()
        raise RequestError(f"{where}: {what}", "Correct the file: it must run as Python.") from None
    from parsl.config import Config

    if not isinstance(config, Config):
        what = "has no variable 'config'" if config is None else "has a 'config' that is not a parsl.Config"
        raise RequestError(f"{path} {what}.", "Write: config = parsl.Config(executors=[...])")
    return config


def _jobs_of_config(config: Any, folder: Path) -> Jobs:
    from parsl.executors import HighThroughputExecutor

    executors = config.executors
    if len(executors) != 1 or not isinstance(executors[0], HighThroughputExecutor):
        kinds = ", ".join(type(executor).__name__ for executor in executors)
        raise RequestError(
            f"The Config of Parsl has the executors {kinds}.", "Give it one HighThroughputExecutor."
        )
    (executor,) = executors
    provider = executor.provider
    slots = max(1, provider.max_blocks) * provider.nodes_per_block * int(executor.workers_per_node)
    walltime = getattr(provider, "walltime", None)
    default = Cluster.model_fields["stop_before"].default
    lifetime = None if walltime is None else max(1, int(_seconds(walltime) - default))
    _prepare(executor, sys.executable, lifetime)
    config.run_dir = str(folder)
    return Jobs(config, slots, max(1, math.floor(executor.cores_per_worker)))


def _seconds(walltime: str) -> int:
    """Return the seconds of HH:MM:SS without the last two digits: Parsl asks some schedulers for minutes."""
    hours, minutes = walltime.split(":")[:2]
    return int(hours) * 3600 + int(minutes) * 60
