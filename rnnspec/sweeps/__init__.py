"""Sweeps: many trainings of a document, each in a run folder of its own.  Start reading at `plan.py`."""
