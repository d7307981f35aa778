from tests.bed.apart import own_redis
from tests.bed.workers import Process, StartWorker


def test_a_worker_starts_and_stops(celery_worker: Process) -> None:
    assert celery_worker.popen.poll() is None
    celery_worker.stop()
    assert celery_worker.popen.poll() == 0


def test_a_killed_worker_can_be_followed_by_another(start_worker: StartWorker) -> None:
    first = start_worker()
    first.kill()
    assert start_worker().pid != first.pid


def test_parallel_sessions_never_share_a_redis_database() -> None:
    url = "redis://127.0.0.1:7000/0"
    assert own_redis(url, "") == url
    numbers = {own_redis(url, worker) for worker in ("", "gw0", "gw1", "gw2")}
    assert len(numbers) == 4
