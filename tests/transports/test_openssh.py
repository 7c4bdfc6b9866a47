"""The ssh binary as the means: what it may ask a person, and what stays when it goes."""

import asyncio
import os
import subprocess
import sys

import pexpect
import pytest

from pysh.transports import openssh, sshconfig
from pysh.transports.base import TransportError
from pysh.transports.destination import Destination
from tests.sshd import Place, alive, until

CONNECT = """
import asyncio, sys
from pysh.runtime.runner import asking
from pysh.transports.tunnels import Carrier
async def ask(question):
    return asking.ask(question.text, wanted=question.wanted)
async def main():
    carrier = await Carrier.start(sys.argv[1])
    connection = await carrier.connect("db1", transport="openssh", ask=ask)
    print("verified by", connection.facts.verified)
    print((await connection.run("echo let in")).stdout)
    await carrier.close()
asyncio.run(main())
"""


async def connected(there: Place) -> openssh.OpenSSHConnection:
    destination = Destination("db1")
    stops = [sshconfig.Stop(destination, await sshconfig.resolve(destination))]
    where = str(there.home.own_known_hosts), str(there.sockets)
    return await openssh.connect(stops, *where, users=True, pin=False, ask=None)


def test_a_person_is_asked_for_a_passphrase_where_that_was_allowed(there: Place) -> None:
    there.sshd()
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", there.home.key], check=True, capture_output=True)
    program = pexpect.spawn(sys.executable, ["-P", "-c", CONNECT, str(there.home.own_known_hosts)], timeout=20)
    program.expect("Enter passphrase for key")
    program.sendline("secret")
    program.expect("verified by known_hosts")
    program.expect("let in")
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 0


async def test_nobody_is_asked_otherwise(there: Place) -> None:
    there.sshd()
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", there.home.key], check=True, capture_output=True)
    async with asyncio.timeout(5):
        with pytest.raises(TransportError) as caught:
            await connected(there)
    assert caught.value.stage == "sshauth"


async def test_no_folder_stays_whether_it_got_in_or_not(there: Place) -> None:
    server = there.sshd()
    connection = await connected(there)
    assert len(list(there.sockets.iterdir())) == 1
    await connection.close()
    server.authorized.write_text("")
    with pytest.raises(TransportError):
        await connected(there)
    assert list(there.sockets.iterdir()) == []


async def test_without_its_master_no_command_dials_by_itself(there: Place) -> None:
    server = there.sshd()
    connection = await connected(there)
    master = connection._master
    assert master
    os.kill(master.process.pid, 9)
    await connection.lost
    connection.lost = asyncio.get_running_loop().create_future()  # as if nobody had told it yet
    assert (await connection.run("echo nobody", b"")).status == 255
    assert server.log.count("Connection from") == 1
    await until(lambda: not alive(master.process.pid))
    await connection.close()
