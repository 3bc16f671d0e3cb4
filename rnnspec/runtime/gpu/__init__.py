"""NVIDIA GPUs: NVRTC compiles generated CUDA kernels, and the driver runs them."""
