"""Reads text: YAML to values with places, several documents to one, strings to expression trees."""
