"""The C++ kernels that are generated from a program."""
