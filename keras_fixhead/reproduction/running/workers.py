"""An engine of processes on this machine: each loads Keras once, and makes results of the runs that it is given."""
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from keras_fixhead.errors import silenced
from keras_fixhead.reproduction.planning.cells import Planned
from keras_fixhead.reproduction.running.parallel import Ended
from keras_fixhead.reproduction.running.run import Options, Work, make_result

STOP_SECONDS = 120.0
"""Time for the step and the checkpoint of a run that must stop."""

_WORKER = "import sys; from keras_fixhead.reproduction.running.workers import serve; serve(int(sys.argv[1]))"


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: "Connection[Any, Any]"
    key: int | None = None


class Processes:
    """Workers in new processes on this machine; each starts when it gets its first run.

    Args:
        slots: number of processes.
        make_work: a function of a module that loads Keras and returns the work; it is called in the processes.
    """

    def __init__(self, slots: int, make_work: Callable[[], Work]) -> None:
        self.slots = slots
        self._make_work = make_work
        self._workers: list[_Worker] = []

    def start(self, key: int, planned: Planned, options: Options) -> None:
        """Gives a run to a free worker, or to a new one."""
        worker = next((each for each in self._workers if each.key is None), None) or self._new_worker()
        worker.key = key
        with contextlib.suppress(OSError):  # a worker that has died is noticed by `wait`
            worker.connection.send((planned, options))

    def wait(self) -> list[Ended]:
        """Waits until at least one run has ended; a worker that has died is forgotten, and its run with it."""
        ready = wait([each.connection for each in self._workers if each.key is not None])
        ended = []
        for worker in [each for each in self._workers if each.connection in ready and each.key is not None]:
            assert worker.key is not None
            try:
                made, how = worker.connection.recv(), ""
            except (EOFError, OSError, pickle.UnpicklingError):
                made, how = None, _death(worker.process.wait())
                self._forget(worker)
            ended.append(Ended(worker.key, made, how))
            worker.key = None
        return ended

    def stop(self) -> None:
        """Sends SIGTERM to all workers, after which a training writes a checkpoint, and waits until they have ended."""
        for worker in self._workers:
            worker.process.terminate()
        try:
            for worker in self._workers:
                worker.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also if the user is tired of waiting
            for worker in list(self._workers):
                worker.process.kill()
                worker.process.wait()
                self._forget(worker)

    def _new_worker(self) -> _Worker:
        here, there = Pipe()
        # Ctrl-C goes to this process only, which passes it on once: a second signal would stop without a checkpoint
        process = subprocess.Popen([sys.executable, "-c", _WORKER, str(there.fileno())], pass_fds=[there.fileno()],
                                   env=silenced(), start_new_session=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        here.send(self._make_work)
        return worker

    def _forget(self, worker: _Worker) -> None:
        worker.connection.close()
        self._workers.remove(worker)


def _death(status: int) -> str:
    """Returns how a process ended, in words.

    Example:
        >>> _death(-9), _death(1)
        ('was ended by SIGKILL', 'ended with status 1')
    """
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def serve(descriptor: int) -> None:
    """Makes results of the runs that arrive on a connection until it is closed; the main function of a worker."""
    connection: Connection[Any, Any] = Connection(descriptor)
    received: list[Any] = []
    arrived = threading.Semaphore(0)

    def receive() -> None:
        """Reads in a thread, so that the end of the other side is noticed in the middle of a run."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                received.append(connection.recv())
                arrived.release()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=receive, daemon=True).start()
    try:
        arrived.acquire()
        work: Work = received.pop(0)()
        while True:
            arrived.acquire()
            planned, options = received.pop(0)
            connection.send(make_result(planned, options, work))
            work.forget()
    except (KeyboardInterrupt, OSError):
        os._exit(0)  # without waiting for threads of a framework


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
