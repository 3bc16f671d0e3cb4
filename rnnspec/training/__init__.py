"""Training, evaluation and simulation of ensembles, and the run folders they live in."""
