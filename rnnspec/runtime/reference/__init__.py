"""The target reference: a slow, simple interpreter of the program, against which the tests compare."""
