"""The program: a small, typed, immutable representation of a spec, and the passes that lower a spec to it."""
