"""``python -m eopv``."""

from eopv.cli import main

main()
