"""What a spec means: a small, typed, frozen representation, and the passes that lower a spec to it."""
