"""`python -m rnnspec` is the command `rnnspec`."""

from rnnspec.cli.main import main

if __name__ == "__main__":
    main()
