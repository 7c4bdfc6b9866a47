"""How long a shell's node outlives its terminal, on a virtual clock, and what the next one finds."""

from tests.sim.cluster import Cluster

MINUTE = 60.0


def test_an_idle_node_outlives_a_lost_terminal_by_ten_minutes() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    node.terminal().lose()
    cluster.run(10 * MINUTE - 1)
    assert not node.stopped
    cluster.run(2)
    assert node.stopped == "its terminal was lost and nothing runs here"


def test_a_terminal_that_comes_back_keeps_the_node() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    node.terminal().lose()
    cluster.run(9 * MINUTE)
    back = node.terminal()
    cluster.run(60 * MINUTE)
    assert not node.stopped
    back.lose()
    cluster.run(10 * MINUTE - 1)
    assert not node.stopped
    cluster.run(2)
    assert node.stopped


def test_every_loss_begins_ten_minutes_of_its_own() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    node.core.expect_terminal(10)
    node.terminal().lose()
    cluster.run(9 * MINUTE)
    node.terminal().lose()
    cluster.run(9 * MINUTE)
    assert not node.stopped
    cluster.run(2 * MINUTE)
    assert node.stopped


def test_a_node_whose_first_terminal_never_comes_stops() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    node.core.expect_terminal(10)
    cluster.run(11)
    assert node.stopped


def test_a_lost_terminal_ends_nothing_that_runs_and_no_result_that_nobody_has() -> None:
    cluster = Cluster("a", "b")
    cluster.join("a", "b")
    node, owner = cluster["a"], cluster["b"]
    seat, program = node.terminal(), owner.program()
    program.task(node, b"5000000")
    cluster.run(1)
    seat.lose()
    cluster.run(60 * MINUTE)
    assert not node.stopped
    cluster.kill("b")
    cluster.run(60 * MINUTE)
    assert [job.state for job in node.core.work.jobs] == ["done"]
    assert not node.stopped
    seat = node.terminal()
    seat.ask("leave")
    assert seat.answers[-1]["reasons"] == ["1 task finished, not fetched"]
    seat.ask("leave", stop=True)
    cluster.run(1)
    assert node.stopped == "its last terminal left"


def test_a_headless_node_stays_whoever_leaves() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    node.core.persistent = True
    seat = node.terminal()
    seat.ask("leave")
    assert seat.answers[-1] == {"stop": False, "persistent": True, "reasons": []}
    seat.lose()
    cluster.run(24 * 60 * MINUTE)
    assert not node.stopped


def test_a_terminal_whose_shell_was_taken_can_stop_nothing() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    first = node.terminal()
    second = node.terminal()
    first.ask("leave", stop=True)
    cluster.run(60 * MINUTE)
    assert not node.stopped
    second.ask("leave")
    assert (second.answers[-1]["stop"], second.answers[-1]["persistent"]) == (False, True)
    cluster.run(60 * MINUTE)
    assert not node.stopped, "nobody ends by a key what another one made"
    second.ask("leave", stop=True)
    cluster.run(1)
    assert node.stopped == "its last terminal left"


def test_what_a_lost_terminal_had_not_shown_the_next_one_shows_once() -> None:
    cluster = Cluster("a")
    node = cluster["a"]
    first = node.terminal()
    node.core.console.screen(b"shown ")
    node.core.console.screen(b"on its way ")
    first.shows(len(b"shown "))
    first.lose()
    node.core.console.screen(b"while nobody looked")
    second = node.terminal()
    assert second.answers[-1]["missed"] == b"on its way while nobody looked"
    third = node.terminal()
    assert third.answers[-1]["missed"] == b""
