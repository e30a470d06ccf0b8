"""``python -m consumer``: the ``skureel`` program where scripts are not on the path."""

from consumer.cli import main

main()
