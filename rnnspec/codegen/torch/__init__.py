"""The torch module that is generated from a program."""
