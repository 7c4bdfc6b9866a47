"""Closures from a script to another node and back: real hubs, fork servers and workers."""

from tests.system.conftest import Home

CONNECT = "n2 = connect('n2@localhost')\n"


def ok(done: object) -> str:
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    return done.stdout  # type: ignore[attr-defined,no-any-return]


def test_a_lambda_runs_on_another_node(home: Home) -> None:
    home.node("n2@localhost")
    assert ok(home.script(CONNECT + "print(call(lambda: 6 * 7, on=n2))")) == "42\n"


def test_a_closure_carries_the_values_at_sending(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + "x = 1\nt = task(lambda: x, on=n2)\nx = 2\nprint(await t, call(lambda: x, on=n2))"
    assert ok(home.script(code)) == "1 2\n"


def test_a_task_runs_in_another_process_of_that_node(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + "import os\nprint(os.getpid() == call(os.getpid, on=n2), node().name != n2.name)"
    assert ok(home.script(code)) == "False True\n"


def test_an_async_closure_runs_too(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x + 1\nprint(await task(f, 1, on=n2))"
    assert ok(home.script(code)) == "2\n"


def test_a_remote_exception_arrives_as_its_own_type_with_the_line_that_raised(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + "def f():\n    return {}['key']\ntry:\n    call(f, on=n2)\nexcept KeyError as e:\n    import traceback; traceback.print_exc()"
    done = home.script(code)
    assert "return {}['key']" in done.stderr
    assert "n2@localhost" in done.stderr
    assert done.returncode == 0


def test_a_result_that_came_too_late_can_be_awaited_again(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "import time\nt = task(lambda: time.sleep(0.5) or 'late', on=n2)\n"
        "try:\n    t.result(timeout=0.05)\nexcept TaskTimeout as e:\n    print(e.task is t)\nprint(t.result())"
    )
    assert ok(home.script(code)) == "True\nlate\n"


def test_messages_arrive_in_order_and_a_process_answers(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "def echo():\n    while (got := receive()) != 'stop':\n        who, what = got\n        send(who, what * 2)\n"
        "p = spawn(echo, on=n2)\nfor i in range(50): send(p, (me(), i))\n"
        "print([receive(timeout=10) for _ in range(50)] == [i * 2 for i in range(50)]); send(p, 'stop')"
    )
    assert ok(home.script(code)) == "True\n"


def test_nested_tasks_do_not_deadlock(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "def nest(depth):\n    return depth if not depth else task(nest, depth - 1).result() + 1\n"
        "print([t.result() for t in [task(nest, 4, on=n2) for _ in range(4)]])"
    )
    assert ok(home.script(code, timeout=60)) == "[4, 4, 4, 4]\n"


def test_sixty_four_mebibytes_arrive_whole(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "import hashlib, os\nbig = os.urandom(64 << 20)\n"
        "print(call(lambda b: hashlib.sha256(b).digest(), big, on=n2) == hashlib.sha256(big).digest())\n"
        "print(call(lambda b: b, big, on=n2) == big)"
    )
    assert ok(home.script(code, timeout=60)) == "True\nTrue\n"


def test_a_worker_that_is_killed_says_so_and_the_node_goes_on(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "import os, signal\ntry:\n    call(lambda: os.kill(os.getpid(), signal.SIGKILL), on=n2)\n"
        "except WorkerDied as e:\n    print(e.signal, e.executed)\nprint(call(lambda: 1, on=n2))"
    )
    assert ok(home.script(code)) == "9 yes\n1\n"


def test_a_task_that_ignores_everything_is_killed(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "import signal, time\ndef stubborn():\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    while True: pass\n"
        "t = task(stubborn, on=n2)\nwhile t.status != 'running': time.sleep(0.01)\n"
        "begun = time.monotonic(); t.cancel(grace=0.2)\n"
        "try:\n    t.result()\nexcept TaskCancelled as e:\n    print(e.executed, time.monotonic() - begun < 1.2)"
    )
    assert ok(home.script(code)) == "yes True\n"


def test_many_tasks_with_one_cancelled_one_raising_and_one_worker_killed(home: Home) -> None:
    home.node("n2@localhost")
    code = CONNECT + (
        "import os, signal\n"
        "def work(i):\n    if i == 500: raise ValueError(i)\n    if i == 700: os.kill(os.getpid(), signal.SIGKILL)\n    return i * i\n"
        "ts = [task(work, i, on=n2) for i in range(2000)]\nts[1000].cancel()\n"
        "bad = {}\nfor i, t in enumerate(ts):\n    try:\n        assert t.result() == i * i\n    except Exception as e:\n        bad[i] = type(e).__name__\n"
        "bad.pop(1000, None)\nprint(bad)"
    )
    assert ok(home.script(code, timeout=60)) == "{500: 'ValueError', 700: 'WorkerDied'}\n"
