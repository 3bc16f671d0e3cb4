"""The targets torch and torchscript: they run the generated torch module."""
