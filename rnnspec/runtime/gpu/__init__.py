"""The gpu target: generated CUDA kernels, compiled by NVRTC."""
