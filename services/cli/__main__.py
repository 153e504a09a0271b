"""So that `python -m services.cli` is `vito`, whatever is on the PATH."""

from services.cli.main import main

main()
