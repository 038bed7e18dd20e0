"""`python -m sayna` is the command `sayna`."""

from sayna.cli import main

if __name__ == "__main__":
    main()
