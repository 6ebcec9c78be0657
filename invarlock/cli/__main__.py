"""``python -m invarlock.cli`` is the ``invarlock`` command."""

from invarlock.cli.main import main

main()
