"""The pages of a comparison: which one to take and why, in both languages, for whoever may read."""

import csv
import io
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.test import Client
from openpyxl import load_workbook

from governance.services.erase_context import erase_context
from governance.services.retire import retire
from tests.cast import AKIRA, HANAKO, MISAKI, NAOKO, SHIN, YUKI, Member
from tests.factories.adapters import generate, submit
from tests.factories.evaluations import measure
from tests.factories.installations import Place
from tests.unit.governance.conftest import SignIn

pytestmark = pytest.mark.django_db
NONE = [3.0 + 0.1 * place for place in range(8)]
QUESTIONS = ["日当はいくらですか。", "宿泊費の上限は。"]


def less(by: float) -> list[float]:
    return [value - by for value in NONE]


@dataclass(frozen=True, kw_only=True)
class Two:
    """Two adapters of one context, the second one better."""

    first: str
    second: str
    context: str

    @property
    def address(self) -> str:
        return f"/compare/{self.first}...{self.second}...prompt...none"


@pytest.fixture
def two(place: Place) -> Two:
    context = submit(place)
    made = []
    for name, gain, said in (
        ("第1版", 0.5, ["二千円です。", "わかりません。"]),
        ("第2版", 1.5, ["三千円です。", "わかりません。"]),
    ):
        adapter = generate(place, context=context, name=name)
        losses = {"none": NONE, "prompt": less(2.0), "adapter": less(gain)}
        unrelated = {"none": NONE, "adapter": NONE}
        measure(place, adapter, losses, general=unrelated, said={"adapter": said}, questions=QUESTIONS)
        made.append(adapter)
    return Two(first=made[0], second=made[1], context=context)


@pytest.fixture
def akira(browser_of: SignIn) -> Client:
    return browser_of(AKIRA)


def in_english(client: Client) -> Client:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    return client


@pytest.mark.parametrize("member", [HANAKO, YUKI, AKIRA, MISAKI, NAOKO])
def test_whoever_has_a_role_may_compare(browser_of: SignIn, two: Two, member: Member) -> None:
    client = browser_of(member)

    assert client.get("/compare").status_code == 200
    assert client.get(two.address).status_code == 200


def test_without_a_role_nothing_is_shown(browser_of: SignIn, two: Two) -> None:
    client = browser_of(SHIN)

    for address in ("/compare", two.address, f"{two.address}/comparison.csv", f"{two.address}/norms.svg"):
        answer = client.get(address)
        assert answer.status_code == 403
        assert "第1版" not in answer.text


def test_without_signing_in_there_is_nothing(two: Two) -> None:
    assert Client().get(two.address).status_code == 302


def test_the_first_sentence_says_which_one_to_take(akira: Client, two: Two) -> None:
    assert "「B 第2版」を選んでください。「A 第1版」より優れることが示されています" in akira.get(two.address).text
    english = in_english(akira).get(two.address).text
    assert "Take “B 第2版”: it is shown to be better than “A 第1版”" in english
    assert "“C Document in the prompt” is shown to be better still" in english


def test_gates_that_the_recommended_one_does_not_pass_are_said_beside_it(akira: Client, place: Place, two: Two) -> None:
    assert "the gates of the policy" not in in_english(akira).get(two.address).text, "it passes them all"
    weak = generate(place, context=two.context, name="弱い版")
    measure(
        place, weak, {"none": NONE, "prompt": less(2.0), "adapter": less(0.4)}, general={"none": NONE, "adapter": NONE}
    )
    address = f"/compare/{weak}...none"

    english = akira.get(address).text
    akira.cookies[settings.LANGUAGE_COOKIE_NAME] = "ja"

    assert "Take “A 弱い版”" in english
    assert (
        "It does not pass the gates of the policy “strict”: Recovery of the document 20% (≥ 50% is demanded)."
        in english
    )
    assert "“standard”" not in english
    assert "ポリシー「strict」の基準を満たしていません：文書の回収率 20%（必要：≥ 50%）。" in akira.get(address).text


def test_verdicts_are_said_in_words(akira: Client, two: Two) -> None:
    assert "あらかじめ定めた一つ" in akira.get(two.address).text
    page = in_english(akira).get(two.address).text

    assert '<span class="chip chip-good">better</span>' in page
    assert '<span class="chip chip-bad">worse</span>' in page
    assert '<span class="chip chip-key">unchanged</span>' in page
    assert "One metric decides, fixed beforehand" in page


def test_words_that_differ_are_marked(akira: Client, two: Two) -> None:
    page = akira.get(two.address).text

    assert "<del>二千円</del><ins>三千円</ins>" in page
    assert QUESTIONS[0] in page


def test_only_differences_can_be_shown(akira: Client, two: Two) -> None:
    page = akira.get(f"/compare/{two.first}...{two.second}?only=differences").text

    assert QUESTIONS[0] in page
    assert QUESTIONS[1] not in page


def test_short_digests_name_the_same(akira: Client, two: Two) -> None:
    assert akira.get(f"/compare/{two.first[:8]}...{two.second[:12]}").status_code == 200


def test_a_page_runs_and_styles_nothing_of_its_own(akira: Client, two: Two) -> None:
    page = akira.get(two.address).text

    assert "style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=")


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("{first}", (400, {"ja": "2 件から 6 件まで", "en": "2 to 6 candidates"})),
        ("...".join(f"{n:08x}" for n in range(7)), (400, {"ja": "7 件です", "en": "this one names 7"})),
        ("{first}...{first}", (400, {"ja": "二度", "en": "twice"})),
        ("{first}...{first:.10}", (400, {"ja": "二度", "en": "twice"})),
        ("{first}..." + "0" * 64, (404, {"ja": "アダプタはありません", "en": "No adapter has a digest"})),
        ("{first}...%3Cb%3E%25_", (404, {"ja": "アダプタはありません", "en": "No adapter has a digest"})),
        ("{first}...ab", (404, {"ja": "アダプタはありません", "en": "No adapter has a digest"})),
        ("none...prompt", (400, {"ja": "アダプタが少なくとも一つ", "en": "at least one adapter"})),
    ],
)
def test_what_cannot_be_compared_is_said_and_the_choice_stays_open(
    akira: Client, two: Two, address: str, said: tuple[int, dict[str, str]], language: str
) -> None:
    akira.cookies[settings.LANGUAGE_COOKIE_NAME] = language

    answer = akira.get("/compare/" + address.format(first=two.first))

    assert answer.status_code == said[0]
    assert said[1][language] in answer.text
    assert 'name="do" value="compare"' in answer.text
    assert "<b>" not in answer.text


def test_chosen_candidates_lead_to_an_address_that_stays(akira: Client, two: Two) -> None:
    answer = akira.get("/compare", {"c": [two.first[:12], "prompt"], "do": "compare"})

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/compare/{two.first[:12]}...prompt"


def test_too_few_chosen_ones_stay_chosen(akira: Client, two: Two) -> None:
    answer = akira.get("/compare", {"c": [two.first[:12]], "do": "compare"})

    assert answer.status_code == 400
    assert f'value="{two.first[:12]}" checked' in answer.text


def test_the_picker_finds_by_name_and_teaches_when_empty(akira: Client, place: Place) -> None:
    assert "アダプタはまだありません" in akira.get("/compare").text
    generate(place, name="就業規則")
    assert "就業規則" in akira.get("/compare", {"q": "就業"}).text
    assert "この文字を含むアダプタはありません" in akira.get("/compare", {"q": "zzz"}).text


def test_an_adapter_without_an_evaluation_is_not_called_unchanged(akira: Client, place: Place, two: Two) -> None:
    new = generate(place, context=two.context, name="新しい版")

    page = in_english(akira).get(f"/compare/{two.first}...{new}").text

    assert "No recommendation yet" in page
    assert "unchanged</span>" not in page
    assert "it was not measured" in page


def test_different_bases_are_incomparable_and_it_says_why(akira: Client, place: Place, two: Two) -> None:
    other = generate(place, context=two.context, name="別のベース", base="e" * 64)
    measure(place, other, {"none": NONE, "adapter": less(2.5)})

    page = in_english(akira).get(f"/compare/{two.first}...{other}").text

    assert "cannot be compared, because they belong to different base models" in page
    assert 'chip-good">better' not in page


def test_a_report_that_is_gone_leaves_the_figures_of_the_ledger(akira: Client, place: Place, two: Two) -> None:
    lost = generate(place, context=two.context, name="報告書なし")
    measure(place, lost, {"none": NONE, "adapter": less(2.5)}, keep=False)

    page = in_english(akira).get(f"/compare/{two.first}...{lost}").text

    assert "1 evaluation report cannot be read" in page
    assert "the evaluation report is not readable" in page
    assert "0.850" in page


def test_what_was_erased_is_neither_shown_nor_recommended(akira: Client, place: Place, two: Two) -> None:
    erase_context(place.actor(HANAKO), context=two.context, legal_basis="本人の請求")

    page = in_english(akira).get(two.address).text

    assert "Take none" in page
    assert "三千円です" not in page
    assert QUESTIONS[0] not in page


def test_a_retired_adapter_is_not_recommended(akira: Client, place: Place, two: Two) -> None:
    retire(place.actor(HANAKO), adapter=two.second, reason="古い")

    assert "「A 第1版」を選んでください" in akira.get(two.address).text


def test_the_csv_holds_the_verdicts_and_opens_in_excel(akira: Client, two: Two) -> None:
    answer = in_english(akira).get(f"{two.address}/comparison.csv", {"part": "scores"})

    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    found = {(row["Metric"], row["Candidate"]): row for row in rows if row["Questions"] == "Questions on the document"}
    assert found["Surprise at the right answer", "B 第2版"]["Verdict"] == "better"
    assert float(found["Surprise at the right answer", "B 第2版"]["Difference"]) == pytest.approx(-1.0)
    assert akira.get(f"{two.address}/comparison.csv", {"part": "other"}).status_code == 404


def test_the_workbook_has_a_tab_for_each_table_and_no_formula(akira: Client, place: Place, two: Two) -> None:
    evil = generate(place, context=two.context, name='=HYPERLINK("http://evil.example")')

    answer = in_english(akira).get(f"/compare/{two.first}...{evil}/comparison.xlsx")

    book = load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["Summary", "Scores", "Answers", "Changes by layer", "Costs", "Lineage"]
    cells = [cell for tab in book for row in tab.iter_rows() for cell in row]
    assert any(cell.value == '=HYPERLINK("http://evil.example")' for cell in cells)
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}
    text = akira.get(f"/compare/{two.first}...{evil}/comparison.csv").content.decode("utf-8-sig")
    assert ",=HYPERLINK" not in text
    assert ',"=HYPERLINK' not in text


def test_each_adapter_breaks_even_with_its_own_document_in_the_prompt(akira: Client, place: Place) -> None:
    short, long = submit(place, title="短い規程"), submit(place, title="長い規程")
    made = []
    for context, seconds in ((short, 0.6), (long, 1.4), (long, 9.9)):
        adapter = generate(place, context=context, name=f"{seconds}")
        timed = {"adapter": 0.4, "prompt": seconds, "none": 0.35}
        measure(place, adapter, {"none": NONE, "prompt": less(2.0), "adapter": less(0.5)}, seconds=timed)
        made.append(adapter)
    address = "/compare/" + "...".join(made)

    table = in_english(akira).get(f"{address}/comparison.csv", {"part": "costs"}).content.decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["Seconds to make"] for row in rows] == ["1.5"] * 3
    assert [row["Seconds for an answer by the prompt"] for row in rows] == ["0.6", "1.4", "1.4"], "one measurement"
    assert [row["Break-even (questions)"] for row in rows] == ["8", "2", "2"]
    assert "prompt: 1.4 s" in akira.get(address).text
    drawing = akira.get(f"{address}/break-even.svg").text
    assert "(in the prompt: 短い規程)" in drawing
    assert "(in the prompt: 長い規程)" in drawing


@pytest.mark.parametrize("chart", ["scores", "norms", "break-even"])
def test_charts_are_drawings_without_scripts(akira: Client, two: Two, chart: str) -> None:
    answer = akira.get(f"{two.address}/{chart}.svg")

    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.text.startswith("<svg ")
    assert not [name for name in ("<script", "<style", "<foreignObject", "javascript:") if name in answer.text]
    assert "B 第2版" in answer.text


def test_there_is_no_other_chart(akira: Client, two: Two) -> None:
    assert akira.get(f"{two.address}/other.svg").status_code == 404


def test_comparing_changes_nothing(akira: Client, two: Two) -> None:
    assert akira.post(two.address).status_code == 405
