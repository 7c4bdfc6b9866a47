"""What ssh processes ask a person, through the program they run for it."""

import asyncio
import subprocess
from pathlib import Path

from pysh.transports.asking import Ask, Desk, Question, shown
from pysh.transports.base import TransportError


def test_a_question_is_lines_of_plain_text_and_not_many() -> None:
    assert shown(b"\nroot@db1's password: ") == Question("root@db1's password:")
    assert shown(b"\na \x1b]0;title\x07b\r\n\xc2\x9b31mcode\xe2\x80\xae: ").text == "a ]0;title b\n31mcode :"
    assert shown(b"none\nConfirm user presence") == Question("Confirm user presence", wanted=False)
    assert shown(b"\n" + b"x\n" * 1000).text.count("\n") == 11


async def put(desk: Desk, question: str) -> tuple[int | None, bytes]:
    """Ask as ssh does; the exit status, and the answer."""
    await desk.open()
    program = desk.environ["SSH_ASKPASS"]
    asking = await asyncio.create_subprocess_exec(program, question, env=desk.environ, stdout=subprocess.PIPE)
    answer, _ = await asking.communicate()
    desk.close()
    return asking.returncode, answer


def answering(answer: str | None, heard: list[Question]) -> Ask:
    """A person who always says the same."""

    async def ask(question: Question) -> str | None:
        heard.append(question)
        return answer

    return ask


async def test_an_answer_comes_back_and_an_empty_one_is_one_too(tmp_path: Path) -> None:
    heard: list[Question] = []
    for number, answer in enumerate(["correct horse é", ""]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert await put(Desk(folder, answering(answer, heard), lambda: None), "Code: ") == (0, f"{answer}\n".encode())
    assert heard == [Question("Code:")] * 2


async def test_where_nobody_answers_the_login_is_over_and_nothing_more_is_asked(tmp_path: Path) -> None:
    heard: list[Question] = []
    desk = Desk(tmp_path, answering(None, heard), lambda: None)
    assert await put(desk, "Code: ") == (1, b"")
    assert (desk.over.result().stage, desk.over.result().evidence) == ("sshauth", "it asks: Code:")
    assert await desk._answer(Question("Again:")) is None
    assert heard == [Question("Code:")]


async def test_nobody_is_asked_where_no_answer_may_go(tmp_path: Path) -> None:
    heard: list[Question] = []

    def may_not() -> None:
        raise TransportError("hostkey", "nobody vouches for it")

    desk = Desk(tmp_path, answering("secret", heard), may_not)
    assert await put(desk, "Code: ") == (1, b"")
    assert (desk.over.result().stage, heard) == ("hostkey", [])
