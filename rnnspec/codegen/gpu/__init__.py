"""The CUDA kernels that are generated from a program."""
