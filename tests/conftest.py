"""What holds for all tests."""

from __future__ import annotations

import os

# Small tensors gain nothing from threads, and on a machine with other work the threads of one test wait
# for each other, spinning, a hundred times longer than they compute. Read when torch is imported, also by
# the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
