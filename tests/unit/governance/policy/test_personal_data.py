"""What the scan finds in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.policy.personal_data import counts, is_card, is_my_number, scan


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in scan(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("連絡先は taro.yamada+x@example.co.jp です", ["email"]),
        ("電話03-1234-5678まで", ["phone"]),
        ("090 1234 5678", ["phone"]),
        ("+81 90-1234-5678", ["phone"]),
        ("０９０－１２３４－５６７８", ["phone"]),
        ("カード 4111 1111 1111 1111", ["card"]),
        ("個人番号 1234-5678-9018", ["my_number"]),
        ("受付番号 20261123-0001", []),
        ("金額 1,234,567,890 円", []),
        ("注文 4111 1111 1111 1112", []),
        ("2026年11月23日 10:30", []),
        ("a@b", []),
    ],
)
def test_what_has_the_form_of_personal_data_is_found(text: str, found: list[str]) -> None:
    assert kinds(text) == found


def test_a_finding_names_its_place() -> None:
    text = "宛先: ａ ab@example.com。"
    [finding] = scan(text)
    assert text[finding.start : finding.end] == "ab@example.com"


@given(st.from_regex(r"[0-9]{11}", fullmatch=True))
def test_of_ten_last_digits_one_makes_an_individual_number(first: str) -> None:
    valid = [digit for digit in "0123456789" if is_my_number(first + digit)]
    assert len(valid) == 1 or len(set(first)) == 1


@given(st.from_regex(r"[1-9][0-9]{14}", fullmatch=True))
def test_of_ten_last_digits_one_makes_a_card_number(first: str) -> None:
    valid = [digit for digit in "0123456789" if is_card(first + digit)]
    assert len(valid) == 1 or len(set(first)) == 1


@given(st.text())
def test_any_text_is_scanned_and_every_kind_is_counted(text: str) -> None:
    assert set(counts(scan(text))) == {"email", "phone", "my_number", "card"}
