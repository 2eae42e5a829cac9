"""``python -m adapters_core``."""

import sys

from adapters_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
