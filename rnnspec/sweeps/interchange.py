"""Parsl's interchange, a process between the controller and the nodes that ends with the controller.

By itself it would outlive a controller that is killed: nodes would go on to hold their jobs.
"""

from __future__ import annotations

import os
import runpy
import threading
import time

#: Seconds between two looks at whether the controller lives.
LOOK = 1.0
#: The name of the thread that looks.
WATCH = "controller"


def main() -> None:
    """Run the interchange until the controller ends."""
    # A signal to all processes of a terminal or a service is for the controller.  It still needs
    # this process, to hear of the units that are saved.
    os.setsid()
    threading.Thread(target=_end_with, args=(os.getppid(),), name=WATCH, daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(0)


if __name__ == "__main__":
    main()
