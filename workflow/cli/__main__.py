"""`python -m workflow.cli` is the rung command."""

from workflow.cli import main

main()
