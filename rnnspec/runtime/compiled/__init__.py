"""Generated source to machine code: the compiler of the system, and the cache of what it has built."""
