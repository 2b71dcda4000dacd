"""`python -m billor.embedded run|demo`: what `make` with these names calls."""

import argparse
import sys

from billor.config import ConfigError
from billor.embedded.launcher import Launcher
from billor.embedded.processes import StartFailed


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m billor.embedded", description=__doc__)
    parser.add_argument("command", choices=["run", "demo"])
    command = parser.parse_args().command
    try:
        launcher = Launcher()
        return launcher.run() if command == "run" else launcher.demo()
    except (ConfigError, StartFailed) as error:
        print(f"billor: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
