"""``python -m refopt`` is the command `refopt`."""

import sys

from .cli import main

sys.exit(main())
