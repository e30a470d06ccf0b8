"""`python -m tests.services`: see `cli`."""

import sys

from tests.services.cli import main

sys.exit(main())
