"""Who attacks a node, what he could do, and the test that shows that he cannot.

`THREATS` is the table; each row names its tests, here and in other files.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import pytest

from pysh.runtime.protocol.frames import LOCAL, Frame, Kind, encode, pack
from pysh.runtime.protocol.handshake import PREFACE, SPAKE2, Handshake, HandshakeError
from pysh.runtime.protocol.hello import Hello
from pysh.runtime.protocol.terms import HUB, Pid
from pysh.runtime.runner.greet import greet
from pysh.transports.base import TransportError
from pysh.transports.gate import FREE
from pysh.transports.interactive import METHOD
from pysh.transports.means import SERVICE
from pysh.transports.pake import compute
from pysh.transports.tunnels import Carrier
from tests.protocol.talk import message
from tests.sshd import Place, public
from tests.system.conftest import Home
from tests.transports.test_ssh import agent

ROOT = Path(__file__).parent.parent

THREATS = {
    "a stranger at the port has something unpickled": [
        "security/test_threats.py::test_a_node_that_strangers_tried_has_loaded_nothing_that_unpickles",
        "fuzz/test_strangers.py::test_a_hundred_thousand_mutated_messages_open_nothing",
        "fuzz/test_strangers.py::test_mutated_ssh_packets_let_nobody_in_and_the_server_lives_on",
    ],
    "a stranger fills the memory by length fields": [
        "transports/test_sshd.py::test_a_length_that_claims_gigabytes_ends_the_connection_at_once",
        "transports/test_sshd.py::test_asyncssh_is_new_enough_to_be_shown_to_strangers",
        "protocol/test_handshake.py::test_a_length_field_allocates_nothing_and_a_flood_is_not_kept",
    ],
    "a stranger floods the port, or is slow on purpose": [
        "security/test_threats.py::test_two_hundred_idle_connections_keep_nobody_else_out",
        "transports/test_sshd.py::test_who_proves_nothing_in_time_is_hung_up_on_however_he_trickles",
        "protocol/test_handshake.py::test_trickled_bytes_do_not_move_the_deadline",
        "transports/test_pake.py::test_each_source_has_one_under_way_and_a_short_line",
    ],
    "a stranger guesses the cookie at the port": [
        "security/test_threats.py::test_fifty_guesses_at_the_port_end_after_a_few_and_others_are_let_in",
        "transports/test_gate.py::test_fifty_wrong_guesses_take_hours",
        "transports/test_gate.py::test_the_memory_of_failures_is_bounded_and_the_oldest_is_forgotten_first",
    ],
    "who hears or answers guesses a weak cookie at leisure": [
        "security/test_threats.py::test_what_was_said_tells_no_cookie_among_other_words",
        "protocol/test_handshake.py::test_who_answers_with_a_guess_learns_whether_it_was_right_and_nothing_else",
    ],
    "somebody in between shows a host key of his own and relays": [
        "security/test_threats.py::test_a_relay_with_another_host_key_gets_nobody_through_an_sshd",
        "security/test_threats.py::test_a_relay_with_another_host_key_gets_nobody_through_a_listening_node",
    ],
    "somebody in between changes versions, suites or anything else": [
        "protocol/test_handshake.py::test_any_changed_byte_breaks_the_trust",
        "protocol/test_handshake.py::test_the_dialler_names_the_suite_and_a_peer_that_answers_with_another_is_left",
        "transports/test_interactive.py::test_any_changed_word_breaks_it",
    ],
    "what was recorded is sent again, turned round or put together anew": [
        "protocol/test_handshake.py::test_a_recorded_dialler_opens_nothing_again",
        "protocol/test_handshake.py::test_a_recorded_acceptor_opens_nothing_again",
        "protocol/test_handshake.py::test_a_proof_handed_back_is_no_proof",
        "protocol/test_handshake.py::test_messages_of_two_conversations_do_not_fit_together",
        "transports/test_interactive.py::test_a_recorded_client_opens_nothing_again",
    ],
    "a server that was dialled by mistake keeps what it is told": [
        "security/test_threats.py::test_a_false_node_hears_a_hello_a_share_a_proof_and_no_more",
        "security/test_threats.py::test_a_false_listening_node_hears_a_share_and_a_confirmation_and_no_more",
        "transports/test_sshd.py::test_an_sshd_is_never_shown_that_there_is_a_cookie",
    ],
    "somebody has got hold of the cookie": [  # and is then us, as the README says
        "security/test_threats.py::test_the_readme_says_what_a_cookie_is",
        "security/test_threats.py::test_a_new_cookie_keeps_out_who_has_the_old_one",
    ],
    "a holder of the cookie takes another node's name": [
        "protocol/test_handshake.py::test_a_check_refuses_a_proven_peer_with_its_own_code",
        "protocol/test_handshake.py::test_a_node_that_dials_itself_is_told_so",
        "protocol/test_members.py::test_a_name_that_is_up_is_nobody_elses_and_one_that_is_away_is_free_for_its_next_start",
        "runtime/test_discovery.py::test_a_name_that_is_held_names_its_holder_and_what_to_do",
        "runtime/test_discovery.py::test_of_many_that_claim_one_name_at_once_one_wins",
        "sim/test_cluster.py::test_two_nodes_that_dial_each_other_whenever_they_do_keep_one_connection",
    ],
    "another user of the machine reads, connects or plants": [
        "system/test_other_users.py",
        "transports/test_unix.py::test_another_user_cannot_connect",
        "transports/test_unix.py::test_a_socket_that_another_user_planted_is_not_talked_to",
        "transports/test_unix.py::test_a_link_in_the_way_is_not_followed",
        "runtime/test_places.py::test_a_runtime_directory_that_others_may_enter_is_refused_with_the_command_to_type",
        "runtime/test_places.py::test_a_link_to_a_good_directory_is_refused",
        "runtime/test_places.py::test_a_directory_that_another_user_made_is_refused",
        "system/test_bad_input.py::test_a_cookie_file_that_others_can_read_is_refused",
        "transports/test_sshd.py::test_our_host_key_is_made_once_and_is_for_nobody_else",
        "transports/test_sshd.py::test_a_file_of_keys_that_others_can_write_opens_nothing",
    ],
    "another user of the machine sees secrets in the list of processes": [
        "system/test_listening.py::test_the_cookie_is_in_no_command_line_and_environment_of_a_node_that_listens",
        "system/test_proving.py::test_the_cookie_is_proved_over_a_host_key_that_the_machine_has",
        "transports/test_carrier.py::test_what_a_command_reads_is_in_nobodys_command_line",
        "runtime/test_stage1.py::test_a_node_runs_from_memory_in_any_python_that_is_new_enough",
    ],
    "a machine that we start a node on turns against us": [
        "security/test_threats.py::test_a_server_gets_no_way_to_our_agent_whatever_the_configuration_says",
        "system/test_starting.py::test_nothing_goes_over_a_host_key_that_nobody_vouches_for_until_the_user_does",
        "system/test_isolation.py::test_a_hub_imports_nothing_that_could_run_what_it_carries",
        "protocol/test_flow.py::test_a_payload_past_the_limit_is_refused_and_not_kept",
    ],
    "what a server says moves the cursor or lies in colour": [
        "security/test_threats.py::test_what_a_server_says_is_shown_without_its_control_characters",
        "protocol/test_handshake.py::test_a_stranger_is_shown_by_its_first_bytes_and_told_nothing",
        "runtime/test_stage0.py::test_what_a_machine_says_is_safe_to_show",
        "runtime/test_probe.py::test_what_failed_there_is_told_without_control_characters",
    ],
    "what start-up files print passes for an answer": [
        "runtime/test_stage0.py::test_only_lines_with_our_word_are_answers_whatever_comes_between",
        "runtime/test_stage0.py::test_too_much_noise_is_refused",
        "runtime/test_probe.py::test_an_answer_behind_too_much_noise_is_not_looked_for",
        "runtime/test_probe.py::test_an_answer_that_makes_no_sense_is_none",
        "system/test_starting.py::test_noise_of_start_up_files_is_no_answer",
    ],
    "an address is an option of ssh, or a shell's word": [
        "transports/test_destination.py::test_what_could_be_something_else_than_a_destination_is_refused",
        "transports/test_carrier.py::test_a_text_that_is_no_destination_is_refused_before_anything",
        "protocol/test_addresses.py::test_what_is_no_address_is_refused_before_it_is_used",
        "system/test_bad_input.py::test_addresses_that_are_none_are_refused_before_any_use",
    ],
    "the port leads to something else than the node": [
        "transports/test_sshd.py::test_nobody_gets_a_shell_a_file_or_a_forward",
        "transports/test_sshd.py::test_a_key_with_strings_attached_opens_nothing",
        "transports/test_sshd.py::test_no_other_method_lets_anybody_in_and_no_cookie_can_be_typed",
    ],
    "a hostile bastion reads or changes what goes through it": [
        "security/test_threats.py::test_a_relay_with_another_host_key_gets_nobody_through_an_sshd",
        "security/test_threats.py::test_a_hostile_bastion_that_leads_elsewhere_is_found_out_before_a_key_is_shown",
        "transports/test_carrier.py::test_a_hop_whose_host_key_changed_is_refused",
    ],
    "who was let in asks for ever more": [
        "security/test_threats.py::test_who_asks_for_ever_and_reads_no_answer_is_left_and_costs_little",
        "protocol/test_frames.py::test_the_largest_frame_passes_and_one_byte_more_does_not",
        "protocol/test_frames.py::test_a_meta_past_its_limit_is_refused_by_the_header_alone",
        "transports/test_sshd.py::test_streams_of_one_connection_are_bounded_and_their_end_frees_a_place",
    ],
    "an sshd offers less than we like": [
        "system/test_starting.py::test_a_node_is_reached_also_where_sshd_forwards_nothing",
        "system/test_starting.py::test_a_home_on_which_nothing_can_be_written_is_enough",
        "system/test_ssh.py::test_a_forced_command_is_named_as_what_it_is",
        "system/test_ssh.py::test_six_connections_at_once_come_in_where_two_may",
    ],
    "who is killed leaves something behind": [
        "system/test_listening.py::test_a_killed_hub_leaves_no_server_behind",
        "system/test_connect_killed.py::test_whoever_is_killed_nothing_half_made_stays",
        "system/test_starting.py::test_whoever_is_killed_before_the_start_was_answered_nothing_half_started_stays",
        "system/test_isolation.py::test_kill_9_of_a_hub_takes_every_process_of_its_node_within_a_second",
        "transports/test_carrier.py::test_when_the_hub_is_killed_the_carrier_and_each_ssh_are_gone_within_a_second",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("threat", "tests"), THREATS.items(), ids=THREATS)
def test_every_threat_has_tests_and_they_are_there(threat: str, tests: list[str]) -> None:
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text()
        assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test


class Listening:
    """A node n1 that listens, and its cookie."""

    def __init__(self, home: Home, secret: str = "") -> None:
        self.home = home
        if secret:
            cookie = home.folder / ".config" / "pysh" / "cookie"
            cookie.parent.mkdir(parents=True)
            cookie.write_text(secret)
            cookie.chmod(0o600)
        home.node("n1", "--listen", "0")
        self.port = int(home.nodes()[0]["listens"].rpartition(":")[2])
        self.cookie = home.pysh("cookie", "show").stdout.strip().encode()
        self.socket = str(next(home.runtime.glob("*.sock")))

    def modules(self) -> set[str]:
        """What its hub has loaded."""
        current = "from pysh.runtime.runner.client import Client; client = Client.current"
        code = f"{current}; print(*client.ask('info', dest=client.hub)['modules'])"
        done = self.home.pysh("rpc", "n1", "-c", code)
        assert done.returncode == 0, done.stderr
        return set(done.stdout.split())


@asynccontextmanager
async def a_carrier(folder: Path) -> AsyncIterator[Carrier]:
    started = await Carrier.start(str(folder / "own_known_hosts"), log=2)
    try:
        yield started
    finally:
        await started.close()


async def test_two_hundred_idle_connections_keep_nobody_else_out(home: Home) -> None:
    node = Listening(home)
    idle: list[asyncio.StreamWriter] = []
    for _ in range(200):
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", node.port, local_addr=("127.0.0.2", 0))
            idle.append(writer)
    async with a_carrier(home.folder) as carrier:
        with suppress(TransportError):
            await carrier.connect("127.0.0.1:1")  # asyncssh is loaded now, and no part of what is measured
        began = time.monotonic()
        connection = await carrier.connect(f"127.0.0.1:{node.port}", secret=node.cookie)
        assert connection.facts.server == "pysh"
        assert time.monotonic() - began < 1
    for writer in idle:
        writer.close()


async def guess(port: int, word: str, address: str) -> str:
    """Try `word` for the cookie at the port, from `address`; what the attempt came to."""
    from pysh.transports.interactive import Client

    class Guesser(asyncssh.SSHClient):
        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            self.connection = conn
            self.tried = False

        def kbdint_auth_requested(self) -> str | None:
            if self.tried:
                return None
            self.tried = True
            key = self.connection.get_server_host_key()
            assert key is not None

            async def computed(side: str, entropy: bytes, theirs: bytes) -> tuple[bytes, bytes]:
                return compute(side, word.encode(), entropy, theirs)

            self.proof = Client(computed, "me", hashlib.sha256(key.public_data).digest())
            return METHOD

        async def kbdint_challenge_received(self, name: str, text: str, lang: str, prompts: Any) -> list[str]:
            return [await self.proof.answer([prompt for prompt, _ in prompts])]

    try:
        connection = await asyncssh.connect(
            "127.0.0.1", port, username="me", known_hosts=None, config=None, client_keys=None, agent_path=None,
            client_factory=Guesser, local_addr=(address, 0),
        )  # fmt: skip
    except asyncssh.PermissionDenied:
        return "wrong"
    except (asyncssh.Error, OSError):
        return "turned away"
    connection.abort()
    return "right"


async def test_fifty_guesses_at_the_port_end_after_a_few_and_others_are_let_in(home: Home) -> None:
    node = Listening(home, "secret")
    outcomes = [await guess(node.port, f"guess {number}", "127.0.0.2") for number in range(50)]
    assert set(outcomes) == {"wrong", "turned away"}
    assert FREE < outcomes.count("wrong") <= FREE + 4  # a second or two may pass meanwhile
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port, local_addr=("127.0.0.2", 0))
    assert re.match(rb"too many failures came from 127\.0\.0\.2: try again in \d+ s\r\n", await reader.read(200))
    writer.close()
    assert await guess(node.port, "secret", "127.0.0.2") == "turned away"
    assert await guess(node.port, "secret", "127.0.0.3") == "right"


def test_what_was_said_tells_no_cookie_among_other_words() -> None:
    """Neither to who heard it all, nor to who answered with a guess and knows his own part."""
    import spake2

    words, cookie, host_key = [b"password", b"secret", b"hunter2", b"guess"], b"secret", b"h" * 32
    near = Hello("node", "n1@db1", b"1" * 16, b"x" * 32)
    far = Hello("node", "n2@db2", b"2" * 16, b"y" * 32)
    mine = b"false" * 7
    dialler = Handshake(
        near._replace(suite=SPAKE2), cookie, dialling=True, now=0, binding=host_key, entropy=os.urandom(32)
    )
    asked = dialler.take_work()
    assert asked is not None
    share, _ = compute(*asked)
    dialler.work_done(share, b"", 0)
    first = dialler.data_to_send()
    answer, _ = compute("B", b"guess", mine, share)
    said = message(1, pack(far._replace(suite=SPAKE2)._asdict())) + message(4, pack(answer))
    dialler.receive_data(PREFACE + said, 0)
    asked = dialler.take_work()
    assert asked is not None
    _, key = compute(*asked)
    dialler.work_done(b"", key, 0)
    proof = dialler.data_to_send()

    def fits(key: bytes) -> bool:
        digest = hashlib.sha256(PREFACE + PREFACE + first[len(PREFACE) :] + said).digest()
        tag = hmac.digest(hmac.digest(key, b"pysh proof of the dialler", "sha256"), digest + host_key, "sha256")
        return message(2, pack(tag)) == proof

    assert fits(key)  # it is what a proof is made of
    for word in words:
        # As if the share that was sent had been made for this word, with the scalar that made it.
        one = spake2.SPAKE2_B(word, idA=b"pysh dialler", idB=b"pysh acceptor", entropy_f=hashlib.shake_256(mine).digest)
        one.start()
        one.outbound_message = answer[1:]
        assert not fits(one.finish(share))
        assert not fits(hashlib.sha256(word).digest())
        assert not fits(word)


# somebody in between


async def test_a_relay_with_another_host_key_gets_nobody_through_an_sshd(
    home: Home, there: Place, carrier: Carrier
) -> None:
    """The same sshd twice: as the machine's own, and as one in between that leads on to the machine's node."""
    honest, between = there.sshd("db1", known=False), there.sshd("db2", known=False)
    home.environ["PYSH_HOST_KEYS"] = f"{honest.host_key}.pub"
    home.node("n1")
    cookie = home.pysh("cookie", "show").stdout.strip().encode()
    path = str(next(home.runtime.glob("*.sock")))

    async def prove(alias: str) -> str:
        connection = await carrier.connect(alias)
        assert connection.facts.verified == "provisional"
        sock = (await connection.stream(path=path)).sock
        return await asyncio.to_thread(greeted, sock, cookie, connection.facts.key_hash)

    assert (await prove("db1")).startswith("n1@")
    with pytest.raises(HandshakeError, match="somebody is in between") as caught:
        await prove("db2")
    assert caught.value.code == "bad_cookie"
    for server in (honest, between):
        assert public(server.host_key) not in there.home.known_hosts.read_text()
    assert not there.home.own_known_hosts.exists()  # nothing was pinned


def greeted(sock: socket.socket, cookie: bytes, host_key: bytes) -> str:
    """Prove the cookie by SPAKE2; the name of who answers."""
    with sock:
        hello = Hello("terminal", "", os.urandom(16), os.urandom(32))
        peer, _ = greet(sock, hello, cookie, host_key=host_key, compute=lambda work: compute(*work))
        return peer.name


class Relay(asyncssh.SSHServer):
    """In between: shows a key of its own, and passes the questions of the true server on to the client."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._answers: asyncio.Queue[list[str]] = asyncio.Queue()
        self._questions: asyncio.Queue[Any] = asyncio.Queue()

    def begin_auth(self, username: str) -> bool:
        self._task = asyncio.get_running_loop().create_task(self._dial(username))
        return True

    async def _dial(self, username: str) -> None:
        relay = self

        class Onward(asyncssh.SSHClient):
            def kbdint_auth_requested(self) -> str:
                return METHOD

            async def kbdint_challenge_received(self, name: str, text: str, lang: str, prompts: Any) -> list[str]:
                relay._questions.put_nowait((name, text, lang, prompts))
                return await relay._answers.get()

        try:
            connection = await asyncssh.connect(
                "127.0.0.1", self._port, username=username, known_hosts=None, config=None, client_keys=None,
                agent_path=None, client_factory=Onward,
            )  # fmt: skip
            self._questions.put_nowait(True)
            connection.abort()
        except (asyncssh.Error, OSError):
            self._questions.put_nowait(False)

    def kbdint_auth_supported(self) -> bool:
        return True

    async def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return await self._questions.get()

    async def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self._answers.put_nowait(list(responses))
        return await self._questions.get()


async def test_a_relay_with_another_host_key_gets_nobody_through_a_listening_node(home: Home) -> None:
    node = Listening(home)
    key = asyncssh.generate_private_key("ssh-ed25519")
    relays: list[Relay] = []

    def relay() -> Relay:
        relays.append(Relay(node.port))
        return relays[-1]

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], server_factory=relay, server_version="pysh", config=None
    )
    async with a_carrier(home.folder) as carrier:
        with pytest.raises(TransportError, match="somebody is in between") as caught:
            await carrier.connect(f"127.0.0.1:{server.get_port()}", secret=node.cookie)
        assert caught.value.stage == "cookie"
        assert (await carrier.connect(f"127.0.0.1:{node.port}", secret=node.cookie)).facts.server == "pysh"
        assert not (home.folder / "own_known_hosts").exists()
    assert len(relays) == 1
    await relays[0]._task
    server.close()
    await server.wait_closed()


# false servers


def test_a_false_node_hears_a_hello_a_share_a_proof_and_no_more() -> None:
    near, far = socket.socketpair()
    cookie, heard = b"a cookie of words", bytearray()
    acceptor = Handshake(
        Hello("node", "n2@db2", b"2" * 16, b"y" * 32), b"a guess", dialling=False, now=0.0,
        suites=[SPAKE2], entropy=os.urandom(32), host_keys=lambda: (b"h" * 32,),
    )  # fmt: skip

    def answer() -> None:
        with far:
            while data := far.recv(65536):
                heard.extend(data)
                acceptor.receive_data(data, 0.0)
                if (work := acceptor.take_work()) is not None:
                    acceptor.work_done(*compute(*work), 0.0)
                far.sendall(acceptor.data_to_send())

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(HandshakeError):
        greeted(near, cookie, b"h" * 32)
    thread.join()
    kinds, rest = [], bytes(heard[len(PREFACE) :])
    while rest:
        kinds.append(rest[0])
        rest = rest[3 + int.from_bytes(rest[1:3]) :]
    assert kinds == [1, 4, 2]
    for made in (cookie, hashlib.sha256(cookie).digest(), base64.b64encode(cookie)):
        assert made not in heard


async def test_a_false_listening_node_hears_a_share_and_a_confirmation_and_no_more(tmp_path: Path) -> None:
    heard: list[str] = []

    class False_(asyncssh.SSHServer):
        def kbdint_auth_supported(self) -> bool:
            return True

        def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
            return "", "", "", [("", False)]

        def validate_kbdint_response(self, username: str, responses: Any) -> Any:
            heard.extend(responses)
            share, _ = compute("B", b"a guess", b"false" * 7)
            return "", "", "", [(base64.b64encode(share).decode(), False)]

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], server_factory=False_, server_version="pysh", config=None
    )
    async with a_carrier(tmp_path) as carrier:
        with pytest.raises(TransportError) as caught:
            await carrier.connect(f"127.0.0.1:{server.get_port()}", secret=b"a cookie of words")
        assert caught.value.stage == "cookie"
    assert [len(base64.b64decode(text)) for text in heard] == [33, 32]
    server.close()
    await server.wait_closed()


async def test_what_a_server_says_is_shown_without_its_control_characters(tmp_path: Path) -> None:
    class Painter(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._connection = conn

        def begin_auth(self, username: str) -> bool:
            self._connection.send_auth_banner("\x1b[2J\x1b]0;owned\x07 welcome\r\n")
            return True

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=Painter, config=None)
    async with a_carrier(tmp_path) as carrier:
        with pytest.raises(TransportError) as caught:
            await carrier.connect(f"127.0.0.1:{server.get_port()}", secret=b"x")
    assert "welcome" in str(caught.value)
    assert str(caught.value).isprintable()
    server.close()
    await server.wait_closed()


def test_the_readme_says_what_a_cookie_is() -> None:
    assert "a cookie is code execution as that user" in (ROOT.parent / "README.md").read_text()


def test_a_new_cookie_keeps_out_who_has_the_old_one(home: Home) -> None:
    old = home.pysh("cookie", "show").stdout.strip()
    assert home.pysh("cookie", "new", "--force").returncode == 0
    home.node("n1")
    assert home.pysh("rpc", "n1", "-c", "1").stdout == "1\n"
    assert home.pysh("rpc", "n1", "--cookie", old, "-c", "1").returncode == 4
    assert home.pysh("--cookie", old, "-c", "connect('n1')").returncode == 1


# who was let in, and more


async def test_a_hostile_bastion_that_leads_elsewhere_is_found_out_before_a_key_is_shown(
    there: Place, carrier: Carrier
) -> None:
    there.sshd("gate")
    true, false = there.sshd("db1"), there.sshd("db2", known=False)
    there.home.host("db1", {"Port": false.port, "HostKeyAlias": true.name})  # where the bastion leads, not we
    for transport in ("asyncssh", "openssh"):
        with pytest.raises(TransportError) as caught:
            await carrier.connect("db1", via=["gate"], transport=transport)  # type: ignore[arg-type]
        assert caught.value.stage == "hostkey"
    assert "Accepted" not in false.log
    assert "Failed" not in false.log


@pytest.mark.parametrize("transport", ["asyncssh", "openssh"])
async def test_a_server_gets_no_way_to_our_agent_whatever_the_configuration_says(
    there: Place, tmp_path: Path, transport: Any
) -> None:
    there.sshd()
    there.home.host("*", {"ForwardAgent": "yes"})
    with agent(there, there.home.key):
        async with a_carrier(tmp_path) as carrier:
            connection = await carrier.connect("db1", transport=transport)
            assert (await connection.run("echo -$SSH_AUTH_SOCK-")).stdout == b"--\n"


@pytest.mark.parametrize("role", ["node", "terminal"])
def test_who_asks_for_ever_and_reads_no_answer_is_left_and_costs_little(home: Home, role: str) -> None:
    home.node("n1")
    cookie = home.pysh("cookie", "show").stdout.strip().encode()
    hub = psutil.Process(home.nodes()[0]["pid"])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(next(home.runtime.glob("*.sock"))))
        me = Hello(role, "n2@db2", os.urandom(16), os.urandom(32))
        peer, _ = greet(sock, me, cookie)
        told = pack({"session": 1, "yours": 0, "received": 0, "grace": 60.0, "dial": 1})
        sock.sendall(b"".join(encode(Frame(Kind.RESUME, LOCAL, LOCAL, meta=told))) * (role == "node"))
        asker, asked = Pid(me.incarnation if role == "node" else peer.incarnation, 1), pack({"verb": "info"})
        sock.settimeout(10)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for first in range(1, 50_000, 500):
                question = Frame(Kind.REQUEST, asker, Pid(peer.incarnation, HUB), 1, meta=asked)
                questions = [encode(question._replace(seq=number))[0] for number in range(first, first + 500)]
                sock.sendall(b"".join(questions))
        assert hub.memory_info().rss < 250 << 20
        assert home.pysh("rpc", "n1", "-c", "len(nodes())").stdout == "1\n"


# what a hub has in it


async def test_a_node_that_strangers_tried_has_loaded_nothing_that_unpickles(home: Home) -> None:
    node = Listening(home)
    for data in (b"\x80\x04.", b"SSH-2.0-x\r\n" + os.urandom(500), PREFACE + os.urandom(500)):
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(data)
        writer.close()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(node.socket)
            sock.sendall(data)
    assert await guess(node.port, "a guess", "127.0.0.2") == "wrong"
    async with a_carrier(home.folder) as carrier:
        connection = await carrier.connect(f"127.0.0.1:{node.port}", secret=node.cookie)
        sock = (await connection.stream(path=SERVICE)).sock
        assert await asyncio.to_thread(greeted, sock, node.cookie, connection.facts.key_hash)
    loaded = node.modules()
    assert not {
        name for name in loaded if name.split(".")[0] in ("pickle", "cloudpickle", "asyncssh", "cryptography", "spake2")
    }
