"""A panic inside is an exception, and nothing stays broken. Only builds for development can be made to panic."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import ipvs
import pytest
from conftest import Witness
from ipvs import _ipvs

WEB = ipvs.Service("tcp://10.0.0.1:80")


def test_a_panic_is_an_exception(witness: Witness, capfd: pytest.CaptureFixture[str]) -> None:
    """Client and pool, which were in use, work on, for other threads too, and it goes through a callback."""
    lb, pool = ipvs.Client(), ipvs.Pool(services=[WEB], servers=["192.168.1.10:80"])
    lb.add_service(WEB)

    def panic() -> None:
        _ipvs._panic(lb, pool)  # type: ignore[attr-defined]  # noqa: SLF001

    for _ in range(3):
        with pytest.raises(ipvs.InternalError, match=r"^attempt to add with overflow$") as caught:
            panic()
        assert isinstance(caught.value, Exception)
        assert "panicked at " in capfd.readouterr().err
        assert lb.service(WEB).id == WEB.id
        assert pool.state() == "quorum up\n192.168.1.10:80 up -\n"

    with pytest.raises(ipvs.InternalError, match="overflow"):
        lb.batch(ipvs.Command.zero(WEB) for _ in iter(panic, None))
    with ThreadPoolExecutor() as threads:
        works = [threads.submit(work) for work in [panic, lambda: lb.adopt(pool).check()] * 4]
        raised = [type(work.exception(timeout=10)) for work in works]
    assert raised == [ipvs.InternalError, type(None)] * 4
    assert len(witness()) == 2
    assert not lb.reconcile(pool).is_changed


def test_it_is_like_other_exceptions() -> None:
    """It has a name, can be raised, and comes from another process."""
    error = ipvs.InternalError("x")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again), repr(again)) == (ipvs.InternalError, "x", "InternalError('x')")
    assert ipvs.InternalError.__mro__[1:4] == (RuntimeError, Exception, BaseException)
