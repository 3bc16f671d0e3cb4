"""From a program to source text: what a template is given, and the rules that keep it harmless."""
