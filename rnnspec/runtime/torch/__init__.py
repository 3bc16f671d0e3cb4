"""The targets torch, torchscript and compiled: they run the generated torch module."""
