from tests.bed.workers import Process, StartWorker


def test_a_worker_starts_and_stops(celery_worker: Process) -> None:
    assert celery_worker.popen.poll() is None
    celery_worker.stop()
    assert celery_worker.popen.poll() == 0


def test_a_killed_worker_can_be_followed_by_another(start_worker: StartWorker) -> None:
    first = start_worker()
    first.kill()
    assert start_worker().pid != first.pid
