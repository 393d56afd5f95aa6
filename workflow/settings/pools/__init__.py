"""Pools of workers as the backend file describes them, a file for each kind."""
