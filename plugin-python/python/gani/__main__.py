"""The program gani: python -m gani."""
import sys

from . import _gani


def main() -> int:
    """Runs the program with the arguments of this process and returns its exit code."""
    return _gani._command_line(["gani", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
