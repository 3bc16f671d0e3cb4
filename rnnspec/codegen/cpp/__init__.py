"""Expressions and tasks in C++, which targets share."""
