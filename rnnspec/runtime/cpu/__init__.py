"""The target cpu: it runs the generated C++ kernels."""
