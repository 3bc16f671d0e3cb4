"""Text to structure: YAML bytes to values with places, overlays to one document, text to expressions."""
