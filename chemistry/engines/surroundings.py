"""What around a program may change the last digits of a number: threads, and whose BLAS it is.

Thread counts are the task's, not those of OMP_NUM_THREADS or OPENBLAS_NUM_THREADS: with another
number of threads, sums are added up in another order.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


class Surroundings:
    """The thread pools of the libraries that are loaded: make it once, after the imports.

    To look them up takes milliseconds, to set them microseconds.
    """

    def __init__(self) -> None:
        self._pools = ThreadpoolController()
        blas = {
            " ".join(str(p[key]) for key in ("internal_api", "version", "architecture") if p[key])
            for p in self._pools.info()
            if p["user_api"] == "blas" and "architecture" in p
        }
        self._blas = "; ".join(sorted(blas))

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Give OpenMP and BLAS this many threads, more or fewer than they had."""
        with self._pools.limit(limits=threads):
            yield

    def facts(self, threads: int) -> dict[str, str]:
        """Return threads and, of each BLAS, its version and the processor that it takes this for.

        The processor is OpenBLAS's own choice, or that of OPENBLAS_CORETYPE.
        """
        return {"threads": str(threads), "blas": self._blas}
