"""The error for a node that lets us connect and says nothing."""

import pytest

from pysh.runtime.protocol.handshake import HandshakeError
from pysh.shell.reaching import answering
from pysh.transports.base import TransportError


@pytest.mark.parametrize(("pid", "told"), [(0, False), (4242, True)], ids=["on another machine", "here"])
def test_a_silent_node_is_named_and_only_a_process_of_this_machine_is_to_be_killed(pid: int, told: bool) -> None:
    with pytest.raises(TransportError, match="w1@db1 is there and does not answer") as caught, answering("w1@db1", pid):
        raise HandshakeError("timeout", "the peer sent no preface within 10 s")
    assert ("kill" in str(caught.value)) == told


def test_another_refusal_is_passed_on_as_it_is() -> None:
    with pytest.raises(HandshakeError, match="differ"), answering("w1@db1", 1):
        raise HandshakeError("bad_cookie", "the cookies differ")
