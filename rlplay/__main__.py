"""``python -m rlplay`` is ``rlplay``."""

import sys

from rlplay.cli import main

sys.exit(main())
