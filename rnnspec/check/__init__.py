"""The rules that involve several fields: functions of a program, grouped by code."""
