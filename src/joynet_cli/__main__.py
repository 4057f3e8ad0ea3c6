"""`python -m joynet_cli`, and the entry point: Ctrl-C is clean while the rest is imported, too."""

import sys


def main() -> None:
    """Run `joynet`."""
    try:
        from joynet_cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
