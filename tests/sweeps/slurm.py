"""A SLURM cluster of one node, started for a test.

munged, slurmctld and slurmd run as the user of the tests, on the loopback interface, with all their files in
one folder.  Debian: apt-get install slurm-wlm munge.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Programs that are not in the PATH of users.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
#: Seconds that a test waits: far more than anything takes.
LIMIT = 200

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0
ReturnToService=2
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Return why there can be no cluster here; empty if there can."""
    found = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"SLURM is not installed: no {', '.join(found)}" if found else ""


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster with its files in a folder; yield the environment of its commands."""
    folder.mkdir(mode=0o755)
    (folder / "spool").mkdir()
    (folder / "state").mkdir()
    host = socket.gethostname().partition(".")[0]
    user = pwd.getpwuid(os.getuid()).pw_name
    text = CONFIGURATION.format(
        host=host, user=user, folder=folder, ports=_free_ports(2), processors=os.cpu_count() or 1
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    environment = {**os.environ, "PATH": _PATH, "SLURM_CONF": str(folder / "slurm.conf")}
    files = [("socket", "munge.socket"), ("key-file", "munge.key"), ("log-file", "munged.log")]
    files += [("pid-file", "munged.pid"), ("seed-file", "munged.seed")]
    munge = ["munged", "--foreground", "--force", *(f"--{key}={folder / name}" for key, name in files)]
    daemons: list[subprocess.Popen[bytes]] = []
    with (folder / "daemons.log").open("wb") as log:

        def begin(*words: str) -> None:
            path = shutil.which(words[0], path=_PATH)
            assert path is not None
            daemons.append(subprocess.Popen([path, *words[1:]], env=environment, stdout=log, stderr=log))

        def failure() -> str:
            return "" if all(daemon.poll() is None for daemon in daemons) else _logs(folder)

        try:
            begin(*munge)
            wait((folder / "munge.socket").exists, failure)
            begin("slurmctld", "-D")
            begin("slurmd", "-D", "-N", host)
            wait(lambda: _state(environment) == "idle", failure)
            yield environment
        finally:
            run(environment, "scancel", "--user", user)
            with contextlib.suppress(TimeoutError):
                wait(lambda: not run(environment, "squeue", "--noheader").strip(), failure)
            for daemon in reversed(daemons):
                daemon.terminate()
            for daemon in reversed(daemons):
                try:
                    daemon.wait(20)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()


def _logs(folder: Path) -> str:
    files = sorted(folder.glob("*.log"))
    return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-2000:]}" for file in files)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def run(environment: dict[str, str], *words: str) -> str:
    """Run a command of SLURM and return what it prints."""
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def _state(environment: dict[str, str]) -> str:
    return run(environment, "sinfo", "--noheader", "--format=%t").strip()


def wait(ready: Callable[[], bool], failure: Callable[[], str] = lambda: "") -> None:
    """Wait until a condition holds.  Raises TimeoutError after LIMIT seconds, or for a failure.

    failure: returns what has gone wrong, empty if nothing.
    """
    end = time.monotonic() + LIMIT
    while not ready():
        if said := failure():
            raise TimeoutError(said)
        if time.monotonic() > end:
            raise TimeoutError("It takes too long.")
        time.sleep(0.1)
