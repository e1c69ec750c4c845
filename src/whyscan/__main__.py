"""`python -m whyscan`: the same as the command."""

from whyscan.cli.main import main

if __name__ == "__main__":
    main()
