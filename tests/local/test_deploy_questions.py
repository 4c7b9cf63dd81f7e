"""What `make deploy` asks, and what it takes for an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.deploy import parameters, questions
from local.deploy.errors import NotDoneError
from local.deploy.parameters import Parameter

Typing = Callable[..., Callable[[str], str]]


@pytest.fixture(scope="module")
def known() -> dict[str, Parameter]:
    return parameters.read()


@pytest.fixture
def typing() -> Typing:
    """Somebody who types these lines, one after the other, and then no more."""

    def person(*lines: str) -> Callable[[str], str]:
        left: Iterator[str] = iter(lines)

        def read(_prompt: str) -> str:
            line = next(left, None)
            if line is None:
                raise EOFError
            return line

        return read

    return person


def test_four_questions_are_asked_in_the_templates_words(
    known: dict[str, Parameter], typing: Typing, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = questions.ask(known, {}, typing("ann@example.com", "", "fal,luma", "50"))
    assert answers == {
        "ResultsEmail": "ann@example.com",
        "OperatorEmail": "",
        "Providers": "fal,luma",
        "DailyCapUsd": "50",
    }
    said = " ".join(capsys.readouterr().out.split())
    for name in answers:
        assert " ".join(known[name].description.split()) in said


def test_enter_keeps_what_the_stack_has(known: dict[str, Parameter], typing: Typing) -> None:
    present = {"ResultsEmail": "ann@example.com", "DailyCapUsd": "75", "Providers": "oxen"}
    answers = questions.ask(known, present, typing("", "", "", ""))
    assert answers == {**present, "OperatorEmail": ""}


def test_a_mail_address_can_be_taken_away(known: dict[str, Parameter], typing: Typing) -> None:
    present = {"ResultsEmail": "ann@example.com"}
    assert questions.ask(known, present, typing("-", "", "", ""))["ResultsEmail"] == ""


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        (("ann@", "ann@example.com", "", "", ""), "must be empty or one e-mail address"),
        (("", "", "runway", "luma", ""), "must be a comma separated list of luma, fal"),
        (("", "", "-", "luma", ""), "must be a comma separated list of luma, fal"),
        (("", "", "", "$25", "25"), "must be an amount such as 25"),
        (("", "", "", "-5", "25"), "must be an amount such as 25"),
    ],
)
def test_a_wrong_answer_is_refused_at_once_and_asked_again(
    known: dict[str, Parameter],
    typing: Typing,
    capsys: pytest.CaptureFixture[str],
    typed: tuple[str, ...],
    complaint: str,
) -> None:
    questions.ask(known, {}, typing(*typed))
    assert capsys.readouterr().out.count(complaint) == 1


def test_where_nobody_can_type_it_says_how_to_answer_in_a_file(
    known: dict[str, Parameter], typing: Typing
) -> None:
    with pytest.raises(NotDoneError, match="PARAMS="):
        questions.ask(known, {}, typing("ann@example.com"))


def test_all_other_parameters_are_listed_with_the_value_that_they_keep(
    known: dict[str, Parameter],
) -> None:
    answers = dict.fromkeys(questions.ASKED, "")
    rows = questions.kept_as_they_are(known, answers, {"JobCapUsd": "7"}).splitlines()[1:]
    assert [row.split()[0] for row in rows] == [n for n in known if n not in questions.ASKED]
    assert next(row for row in rows if "JobCapUsd" in row).split()[1] == "7"
    assert next(row for row in rows if "MonthlyCapUsd" in row).split()[1] == "250"


def test_a_file_may_answer_all_parameters(known: dict[str, Parameter]) -> None:
    answers = dict.fromkeys(known, "")
    assert questions.kept_as_they_are(known, answers, {}) == "All parameters have an answer."


# --- what a parameter accepts ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ResultsEmail", ["", "a@b.example"], ["a b@c.example", "a@b", "a@b.c\n"]),
        ("Providers", ["luma", "fal,oxen"], ["", "luma, fal", "Luma", "luma;fal"]),
        ("DailyCapUsd", ["0", "25", "12.50"], ["", "-1", "1e3", "25 USD", "007"]),
        ("AllowPaidCalls", ["true", "false"], ["", "True", "no"]),
        ("DigestMinutes", ["1", "14"], ["", "0", "15", "ten", "-3", "nan", "inf"]),
        ("LogRetentionDays", ["90", "1827"], ["", "2", "100"]),
        ("PriceOverrides", ["{}", '{"luma":{"5s":{"540p":0.15}}}'], ["", "[]", "luma"]),
        ("PermissionsBoundary", ["", "arn:aws:iam::123456789012:policy/x"], ["x"]),
    ],
)
def test_what_cloudformation_would_refuse_is_refused(
    known: dict[str, Parameter], name: str, good: list[str], bad: list[str]
) -> None:
    assert [text for text in good if known[name].problem(text)] == []
    assert [text for text in bad if not known[name].problem(text)] == []


def test_every_default_is_accepted(known: dict[str, Parameter]) -> None:
    assert [name for name, part in known.items() if part.problem(part.default)] == []


# --- answers in a file -----------------------------------------------------------------------


def test_a_file_answers_what_it_names(known: dict[str, Parameter], tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text(
        '# ours\nDailyCapUsd = 50\n\nPriceOverrides={"luma":{"5s":{"540p":0.15}}}\nResultsEmail=\n',
        encoding="utf-8",
    )
    assert parameters.read_answers(file, known) == {
        "DailyCapUsd": "50",
        "PriceOverrides": '{"luma":{"5s":{"540p":0.15}}}',
        "ResultsEmail": "",
    }


def test_every_mistake_in_a_file_is_told_at_once(
    known: dict[str, Parameter], tmp_path: Path
) -> None:
    file = tmp_path / "answers"
    file.write_text("DailyCap=50\nProviders=runway\nDailyCapUsd=much\n", encoding="utf-8")
    with pytest.raises(NotDoneError) as told:
        parameters.read_answers(file, known)
    lines = str(told.value).splitlines()
    assert len(lines) == 3
    assert "no parameter DailyCap;" in lines[0]
    assert "Providers must be" in lines[1]
    assert "DailyCapUsd must be" in lines[2]


def test_a_file_that_is_not_there_is_one_sentence(
    known: dict[str, Parameter], tmp_path: Path
) -> None:
    with pytest.raises(NotDoneError, match=r"cannot be read: .*No such file"):
        parameters.read_answers(tmp_path / "answers", known)
