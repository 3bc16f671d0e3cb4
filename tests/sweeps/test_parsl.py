"""Jobs of Parsl: what schedulers are given, and a sweep on this machine.  Needs the extra `cluster`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import time
import types
from pathlib import Path
from typing import Any

import pytest
from cli.command import PROGRAM, ROOT
from sweeps.samples import SWEEP, write_sweep
from training.test_resume import assert_same

from rnnspec.errors import RequestError
from rnnspec.sweeps import providers
from rnnspec.sweeps.plan import load_sweep
from rnnspec.sweeps.providers import LABEL, load_jobs
from rnnspec.training.unit import train_unit

#: Parsl leaves pipes open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
pytest.importorskip("parsl", reason="the extra 'cluster' is not installed", exc_type=ImportError)


def jobs(folder: Path, text: str) -> providers.Jobs:
    (folder / "cluster.yaml").write_text(f"rnnspec: 1\n{text}")
    return load_jobs(folder / "cluster.yaml", folder / "parsl")


@pytest.fixture
def schedulers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all schedulers seem to be installed."""
    monkeypatch.setattr(providers, "shutil", types.SimpleNamespace(which=lambda name: f"/bin/{name}"))


def script(folder: Path, text: str) -> tuple[str, list[str]]:
    """Return the command with which a job is submitted, and the lines of its script."""
    commands = []

    def execute(self: object, command: str, *_: object) -> tuple[int, str, str]:
        commands.append(command)
        return 0, "Submitted batch job 1\nJob <1> is submitted\n", ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parsl.providers.cluster_provider.ClusterProvider.execute_wait", execute)
        (executor,) = jobs(folder, text).config.executors
        executor.provider.script_dir = str(folder)
        executor.provider.submit("THE COMMAND", 1, "job")
    (path,) = folder.glob("job.[0-9]*")
    return commands[-1], path.read_text().splitlines()


SLURM = """\
provider: slurm
partition: gpu
account: lab
qos: long
constraint: a100
walltime: 2-04:00:00
jobs: 3
nodes: 2
units_per_node: 4
threads: 8
memory: 3
gpus: 2
address: 10.1.2.3
ports: [50000, 50100]
options: [--reservation=lab, --mail-type=END]
worker_init: module load gcc
"""


@pytest.mark.usefixtures("schedulers")
def test_slurm(tmp_path: Path) -> None:
    command, lines = script(tmp_path, SLURM)
    assert command.startswith("sbatch ")
    asked = "time=3120 nodes=2 ntasks-per-node=1 cpus-per-task=32 mem=12g gpus-per-node=2 partition=gpu"
    more = "account=lab qos=long constraint=a100 reservation=lab mail-type=END"
    for option in f"{asked} {more}".split():
        assert f"#SBATCH --{option}" in lines
    assert "#SBATCH --exclusive" not in lines
    # 52 hours less two minutes.
    begin = lines.index("export RNNSPEC_STOPS_AT=$(($(date +%s) + 187080))")
    assert begin < lines.index("module load gcc")
    assert any("srun --ntasks 2" in line and "--cpus-per-task=32" in line for line in lines)


@pytest.mark.usefixtures("schedulers")
def test_the_executor(tmp_path: Path) -> None:
    found = jobs(tmp_path, SLURM)
    (executor,) = found.config.executors
    assert (found.slots, found.threads) == (24, 8)
    assert found.config.run_dir == str(tmp_path / "parsl")
    assert (executor.label, executor.encrypted, executor.address) == (LABEL, True, "10.1.2.3")
    assert executor.worker_port_range == (50000, 50100)
    assert executor.max_workers_per_node == 4
    # Four units share two GPUs, as Parsl counts them.
    assert executor.available_accelerators == ["0", "1", "2", "3"]
    assert "--drain_period=$((RNNSPEC_STOPS_AT - $(date +%s) - 60)) " in executor.launch_cmd
    assert "process_worker_pool.py" not in executor.launch_cmd


@pytest.mark.usefixtures("schedulers")
def test_pbs(tmp_path: Path) -> None:
    keys = "queue: q\naccount: lab\nwalltime: 04:00:30\nunits_per_node: 4\nmemory: 3\ngpus: 2\naddress: lo"
    command, lines = script(tmp_path, f"provider: pbs\n{keys}\noptions: ['-l place=excl']\n")
    assert command.startswith("qsub  -q q -A lab ")
    for option in ("walltime=04:00:30", "select=1:ncpus=4:mem=12gb:ngpus=2", "place=excl"):
        assert f"#PBS -l {option}" in lines
    assert "export RNNSPEC_STOPS_AT=$(($(date +%s) + 14310))" in lines


@pytest.mark.usefixtures("schedulers")
def test_lsf(tmp_path: Path) -> None:
    keys = "queue: q\naccount: lab\nwalltime: 04:00:00\nunits_per_node: 4\nthreads: 2\ngpus: 2\naddress: lo"
    command, lines = script(tmp_path, f"provider: lsf\n{keys}\noptions: [-x]\n")
    assert command.startswith("bsub < ")
    for option in ("-W 240", "-n 8", '-R "span[ptile=8]"', "-gpu num=2", "-P lab", "-q q", "-x"):
        assert f"#BSUB {option}" in lines


def test_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("kubernetes.client", reason="the package kubernetes is not installed")
    keys = "image: lab/rnnspec\nvolumes: {data: /data}\nunits_per_node: 2\nthreads: 3\nmemory: 4\ngpus: 1"
    text = f"provider: kubernetes\n{keys}\naddress: 10.0.0.1\nuser: 1000\ngroup: 100\nwalltime: 01:00:00\n"
    place = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(place, str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(RequestError, match="There is no configuration of Kubernetes"):
        jobs(tmp_path, text)
    (tmp_path / "config").write_text(
        json.dumps(
            {
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "current-context": "c",
                "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    (executor,) = jobs(tmp_path, text).config.executors
    pods = []
    create = lambda self, namespace, body: pods.append((namespace, body))  # noqa: E731
    monkeypatch.setattr(client.CoreV1Api, "create_namespaced_pod", create)
    with pytest.raises(AttributeError):
        # Parsl asks for the status of the answer, which is none here.
        executor.provider.submit("THE COMMAND", 1, "job")
    ((namespace, pod),) = pods
    (container,) = pod.spec.containers
    assert namespace == "default"
    assert container.image == "lab/rnnspec"
    limits = {"cpu": "6.0", "memory": "8Gi", "nvidia.com/gpu": "1"}
    assert container.resources.limits == limits
    assert container.security_context.run_as_user == 1000
    assert [(m.name, m.mount_path) for m in container.volume_mounts] == [("data", "/data")]
    assert pod.spec.volumes[0].persistent_volume_claim.claim_name == "data"
    assert container.args[1].startswith("export RNNSPEC_STOPS_AT=")
    assert executor.launch_cmd.startswith("python3 -m parsl.")


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def address(text: str) -> str:
        (executor,) = jobs(tmp_path, text).config.executors
        found: str = executor.address
        return found

    assert address("provider: local\n") == "127.0.0.1"
    assert address("provider: local\naddress: lo\n") == "127.0.0.1"
    assert address("provider: local\naddress: 10.1.1.1\n") == "10.1.1.1"
    assert address("provider: local\naddress: localhost\n") == "127.0.0.1"
    with pytest.raises(RequestError, match=r"address: nosuch\.invalid has no IP address"):
        address("provider: local\naddress: nosuch.invalid\n")


@pytest.mark.usefixtures("schedulers")
def test_a_host_name_that_stands_for_the_loopback_interface_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "login1")
    known = {"login1": "127.0.1.1"}
    monkeypatch.setattr(socket, "gethostbyname", known.__getitem__)
    with pytest.raises(RequestError, match="which nodes cannot reach"):
        jobs(tmp_path, "provider: slurm\nwalltime: 01:00:00\n")
    known["login1"] = "10.1.1.2"
    found = jobs(tmp_path, "provider: slurm\nwalltime: 01:00:00\n")
    assert found.config.executors[0].address == "10.1.1.2"


def test_a_scheduler_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RequestError, match="no command bsub"):
        jobs(tmp_path, "provider: lsf\nwalltime: 01:00:00\n")


PYTHON = """\
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import SlurmProvider
provider = SlurmProvider(walltime="01:00:30", max_blocks=2, worker_init="module load x")
executor = HighThroughputExecutor(
    label="own", address="10.1.2.3", provider=provider, cores_per_worker=4, max_workers_per_node=3
)
config = Config(executors=[executor])
"""


def test_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "cluster.py"
    path.write_text(PYTHON)
    found = load_jobs(path, tmp_path / "parsl")
    assert (found.slots, found.threads) == (6, 4)
    assert found.config.run_dir == str(tmp_path / "parsl")
    (executor,) = found.config.executors
    assert executor.label == "own"
    assert executor.provider.worker_init == (
        "export RNNSPEC_STOPS_AT=$(($(date +%s) + 3480))\nmodule load x\n"
    )
    assert "$((RNNSPEC_STOPS_AT" in executor.launch_cmd


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nosuch", r"cluster\.py:1: ModuleNotFoundError: No module named 'nosuch'"),
        ("\nx = ", r"cluster\.py:2: SyntaxError"),
        ("", r"has no variable 'config'"),
        ("config = 3", r"has a 'config' that is not a parsl\.Config"),
        ("from parsl.config import Config\nconfig = Config()", "has the executors ThreadPoolExecutor"),
    ],
)
def test_python_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cluster.py"
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        load_jobs(path, tmp_path / "parsl")


def test_a_sweep_on_this_machine_is_saved_and_gone_on_with(tmp_path: Path) -> None:
    """SIGTERM comes once both units have begun; no process is left, and all files are in the folder."""
    text = SWEEP.replace("methods: {plain: [], fast: [fast]}\n", "")
    path = write_sweep(tmp_path, f"{text}set: {{training.iterations: 800, training.evaluate.every: 400}}\n")
    (tmp_path / "cluster.yaml").write_text("rnnspec: 1\nprovider: local\nunits_per_node: 2\n")
    words = f"sweep {path} --out {tmp_path}/runs --on {tmp_path}/cluster.yaml --target torch".split()
    names = [unit.name for unit in load_sweep(path).units]
    folders = [tmp_path / "runs" / "small" / name for name in names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (tmp_path / "elsewhere").mkdir()
    options: dict[str, Any] = {"env": environment, "cwd": tmp_path / "elsewhere", "text": True}
    with subprocess.Popen([*PROGRAM, *words], stderr=subprocess.PIPE, **options) as first:
        while first.poll() is None and not all((f / "manifest.json").exists() for f in folders):
            time.sleep(0.05)
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate()
    assert first.returncode == 75, err
    assert f"Stopped by SIGTERM. The same command goes on: rnnspec {shlex.join(words)}" in err
    status = subprocess.run(
        [*PROGRAM, *words, "--status", "--json"], check=True, stdout=subprocess.PIPE, **options
    )
    assert json.loads(status.stdout)["counts"]["waiting"] >= 1

    second = subprocess.run([*PROGRAM, *words], check=False, capture_output=True, **options)
    assert second.returncode == 0, second.stderr
    assert "2 of 2 units done" in second.stdout
    specification = {unit.name: unit.specification for unit in load_sweep(path).units}[names[0]]
    train_unit(specification, tmp_path / "whole", target="torch")
    assert_same(folders[0], tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "runs" / "small").iterdir()) == sorted([*names, "parsl"])
    assert sorted(path.name for path in (tmp_path / "runs" / "small" / "parsl").iterdir()) == ["000", "001"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not list(tmp_path.rglob("*.key_secret"))
