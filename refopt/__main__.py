"""``python -m refopt`` runs the command `refopt`."""

import sys

from .cli import main

sys.exit(main())
