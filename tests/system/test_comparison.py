"""The comparison with other prompts, tried: what its page says of pysh is what comes of the keys."""

from docs.compare import PAGE, probes, rows, trial
from docs.scene import YES


def test_a_row_is_tried_at_a_terminal_and_comes_out_as_the_page_says() -> None:
    (probe,) = (each for each in probes() if each.what == "await")
    assert trial(probe, "pysh") == rows(PAGE.read_text())[probe.what][0] == YES
