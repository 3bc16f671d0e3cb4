"""The rules that span fields: functions over a program, grouped as their codes are."""
