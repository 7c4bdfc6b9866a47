"""For every test: what each part of them takes, and how often their cases are repeated.

`--budgets` fails a run in which a part took much longer than it may. `--soak N` runs N times as many seeds
and examples, and every test of real processes N times, or once and for longer; no case is in it that an
ordinary run leaves out, but those that boot a machine.
"""

from collections import Counter
from pathlib import Path

import hypothesis
import pytest

from tests.budgets import BUDGETS, FUZZ, SHELL, SLACK, SYSTEM, over, part_of, table
from tests.hostile import figures

SECONDS: Counter[str] = Counter()
TESTS: Counter[str] = Counter()
MEASURED: list[object] = []
"""What each hostile program cost."""
PROCESSES = [1]
"""How many run tests at the same time."""


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, with a short name: the path of a socket has to fit behind it."""
    return tmp_path_factory.mktemp("t")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--budgets", action="store_true", help="fail if a part of the tests takes longer than it may")
    parser.addoption("--soak", type=int, default=1, metavar="N", help="repeat seeds, examples and processes N times")


def pytest_configure(config: pytest.Config) -> None:
    PROCESSES[0] = max(1, config.getoption("numprocesses", None) or 1)
    config.addinivalue_line("markers", "seeds(n): run with `seed` from 0 to n - 1, and N times as many with --soak N")
    config.addinivalue_line("markers", "longer(seconds): run once with --soak too, for up to so many seconds")
    examples = hypothesis.settings.default.max_examples * config.getoption("soak")
    hypothesis.settings.register_profile("soak", max_examples=examples)
    hypothesis.settings.load_profile("soak")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    times: int = metafunc.config.getoption("soak")
    if (seeds := metafunc.definition.get_closest_marker("seeds")) is not None:
        metafunc.parametrize("seed", range(seeds.args[0] * times))
    elif times > 1 and part_of(metafunc.definition.nodeid) in (SYSTEM, SHELL) and not _longer(metafunc.definition):
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(times))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    times: int = config.getoption("soak")
    for item in items if times > 1 else ():
        if (longer := _longer(item)) is not None:
            item.add_marker(pytest.mark.timeout(longer.args[0]))
        elif part_of(item.nodeid) == FUZZ:  # which does N times as much in one test
            item.add_marker(pytest.mark.timeout(2 * BUDGETS[FUZZ] * times))


def _longer(test: pytest.Item) -> pytest.Mark | None:
    return test.get_closest_marker("longer")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    part = part_of(report.nodeid)
    SECONDS[part] += report.duration / PROCESSES[0]
    TESTS[part] += report.when == "call"
    if report.when == "call":
        MEASURED.extend(value for name, value in report.user_properties if name == "hostile")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    each = terminalreporter.config.getoption("verbose") > 0
    for line in (*figures.table(MEASURED, each=each), *table(SECONDS, TESTS)):
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    judges = session.config.getoption("budgets") and not hasattr(session.config, "workerinput")
    if judges and over(SECONDS, SLACK) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
