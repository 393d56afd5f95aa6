"""The executor of a pool of kind python: the one place where a person's file runs as code."""

import runpy

from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from chemistry.errors import InputError
from workflow.settings.pools.python import PythonPool


def executor_of_file(name: str, pool: PythonPool) -> HighThroughputExecutor:
    """Run the pool's file and return the executor of its `config`, named after the pool.

    Raises
    ------
    InputError
        The file cannot be run, or its `config` is not a parsl.Config with one executor, a
        HighThroughputExecutor whose traffic is encrypted.
    """
    place = f"pools.{name}.file"
    try:
        config = runpy.run_path(str(pool.file)).get("config")
    except Exception as error:  # whatever a person's code raises
        raise InputError(
            f"{place}: {pool.file} cannot be run ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(config, Config):
        raise InputError(f"{place}: {pool.file} sets no `config` that is a parsl.Config")
    executors = config.executors
    if len(executors) != 1 or not isinstance(executors[0], HighThroughputExecutor):
        raise InputError(f"{place}: config.executors should be one HighThroughputExecutor")
    [executor] = executors
    if not executor.encrypted:
        raise InputError(
            f"{place}: the executor is not encrypted, others on the network could send its workers "
            "something to run: leave `encrypted` out"
        )
    executor.label = name
    return executor
