"""The run folder: what it holds, how each file is written and read, and who may write it."""
