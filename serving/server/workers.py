"""Threads that work on the tasks of an event loop: one hop to the thread, one hop back."""
import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

IDLE_SECONDS = 5.0  # after which a thread without work ends


class Task:
    """Work for a worker's thread, and a future with its result. Must be created in an event loop.

    Args:
        payload: what to do; workers pass it to their function.
        group: tasks of the same group may be done together; None: alone.

    Attributes:
        future: the result, awaited in the event loop; it may be done before the task is.
        settled: whether the worker is done with it.
        on_settled: called in the event loop when the worker is done with it.
    """

    __slots__ = ("future", "group", "loop", "on_settled", "payload", "settled")

    def __init__(self, payload: Any, group: Hashable = None) -> None:
        self.payload = payload
        self.group = group
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.settled = False
        self.on_settled: Callable[[], None] | None = None

    def succeed(self, result: Any) -> None:
        """Sets the result, from a worker's thread."""
        self._tell(self.future.set_result, result)

    def fail(self, error: BaseException) -> None:
        """Sets the error to raise where the result is awaited, from a worker's thread."""
        self._tell(self.future.set_exception, error)

    def _tell(self, setter: Callable[[Any], None], value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self.loop.call_soon_threadsafe(self._settle, setter, value)

    def _settle(self, setter: Callable[[Any], None], value: Any) -> None:
        self.settled = True
        if not self.future.done():
            setter(value)
        if self.on_settled:
            self.on_settled()


Take = Callable[[Hashable], Task | None]


class Workers:
    """Some threads and a queue.

    Args:
        count: the number of threads; they start when needed, end when idle, and do not keep a process alive.
        work: `work(task, take)` settles a task; `take(group)` returns the task at the head of the queue as well, if
            it belongs to the group.
    """

    def __init__(self, count: int, work: Callable[[Task, Take], None]) -> None:
        self._count = count
        self._work = work
        self._lock = threading.Lock()
        self._queue: deque[Task] = deque()
        self._threads = 0
        self._idle: list[threading.Lock] = []  # idle threads wait for these; the last busy one is at the end

    def submit(self, task: Task) -> None:
        """Queues a task."""
        with self._lock:
            self._queue.append(task)
            if not self._wake() and self._threads < self._count:
                self._threads += 1
                threading.Thread(target=self._run, name="fixhead-worker", daemon=True).start()

    def withdraw(self, task: Task) -> bool:
        """Removes a task from the queue; returns whether it was still there."""
        with self._lock:
            try:
                self._queue.remove(task)
            except ValueError:
                return False
            return True

    def take(self, group: Hashable) -> Task | None:
        """Removes and returns the task at the head of the queue, if there is one and it belongs to this group."""
        with self._lock:
            if group is not None and self._queue and self._queue[0].group == group:
                return self._queue.popleft()
            return None

    def put_back(self, task: Task) -> None:
        """Puts a taken task back at the head of the queue."""
        with self._lock:
            self._queue.appendleft(task)
            self._wake()

    def _wake(self) -> bool:
        """Wakes the idle thread that was busy last, whose memory is in the caches; returns whether there is one."""
        if not self._idle:
            return False
        self._idle.pop().release()
        return True

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._work(task, self.take)
            except BaseException as error:
                task.fail(error)
            del task  # it may keep large inputs or an unloaded version alive

    def _next(self) -> Task | None:
        """The next task, or None after a while without one; `_wake` ends the wait."""
        while True:
            called = threading.Lock()
            called.acquire()
            with self._lock:
                if self._queue:
                    return self._queue.popleft()
                self._idle.append(called)
            if called.acquire(timeout=IDLE_SECONDS):
                continue  # another thread may have been quicker
            with self._lock:
                if called in self._idle:
                    self._idle.remove(called)
                    self._threads -= 1
                    return None
