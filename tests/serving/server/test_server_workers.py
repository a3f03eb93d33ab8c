"""Threads behind the event loop: every task runs once, on the most recently busy thread."""
import asyncio
import threading
import time

import pytest

from fixhead_serving.server import workers
from fixhead_serving.server.workers import Task, Workers


def in_thread(task, take):
    task.succeed(task.payload(threading.get_ident()))


def results(pool, *payloads):
    async def run():
        tasks = [Task(payload) for payload in payloads]
        for task in tasks:
            pool.submit(task)
        return await asyncio.gather(*(task.future for task in tasks))

    return asyncio.run(run())


def test_consecutive_tasks_run_on_the_most_recently_busy_thread():
    pool, both = Workers(2, in_thread), threading.Barrier(2)
    assert len(set(results(pool, *[lambda ident: (both.wait(10), ident)[1]] * 2))) == 2  # both threads exist
    time.sleep(0.05)  # until both wait

    seen = []
    for _ in range(20):
        seen += results(pool, lambda ident: ident)
        time.sleep(0.005)
    assert len(set(seen)) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_task_runs_once_while_threads_keep_ending_and_starting(monkeypatch, count):
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.001)
    pool, done = Workers(count, in_thread), []
    for wait in (0, 0.0005, 0.001, 0.0015, 0.003) * 20:
        time.sleep(wait)
        results(pool, *[lambda ident: done.append(ident)] * 5)

    assert len(done) == 500
    time.sleep(0.1)
    assert not [each for each in threading.enumerate() if each.name == "fixhead-worker" and each.ident in done]


def test_a_task_that_was_put_back_still_runs():
    def work(task, take):
        if task.payload == "first" and (other := take("group")) is not None:
            pool.put_back(other)
        task.succeed(task.payload)

    pool = Workers(2, work)

    async def run():
        tasks = [Task("first", "group"), Task("second", "group")]
        for task in tasks:
            pool.submit(task)
        return await asyncio.wait_for(asyncio.gather(*(task.future for task in tasks)), 10)

    assert asyncio.run(run()) == ["first", "second"]
