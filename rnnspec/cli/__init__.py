"""The command line: words in, calls of the other rooms, text out."""
