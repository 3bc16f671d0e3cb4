"""The shape of a specification: pydantic models, the types of their leaves, and the only home of defaults."""
