"""The target reference: a slow, plain interpreter of the program, the oracle of the tests."""
