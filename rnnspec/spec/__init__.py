"""The shape of a spec: pydantic models with the types and defaults of all keys."""
