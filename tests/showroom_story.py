"""What happened in a company in the last weeks: adapters in every state, told through the services that people use."""

import itertools
import json
import random
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import DeniedError
from adapters_core.ledger import jobs, outbox, queries, request_queries
from adapters_core.ledger.append import append
from adapters_core.ledger.migrating import migrate
from adapters_core.ledger.queries import EntryFilter
from adapters_core.ledger.records import Actor, Subject
from adapters_core.ledger.session import utc_now
from adapters_core.ledger.signing import create_key
from adapters_core.ledger.vault import create_master_key
from governance import artifacts
from governance.policy.demo import POLICIES
from governance.services.approve import approve
from governance.services.approve_with_conditions import approve_with_conditions
from governance.services.break_glass import break_glass
from governance.services.close_incident import close_incident
from governance.services.comment import comment
from governance.services.create_slot import create_slot
from governance.services.deciding import Signature
from governance.services.delegate import delegate
from governance.services.deploy import deploy
from governance.services.erase_context import erase_context
from governance.services.evaluate import evaluate
from governance.services.found import Founder, found
from governance.services.generate import generate
from governance.services.hold_context import hold_context
from governance.services.issue_token import issue_token
from governance.services.kill_switch import kill_switch
from governance.services.reject import reject
from governance.services.request_approval import request_approval
from governance.services.retire import retire
from governance.services.roll_back import roll_back
from governance.services.send_back import send_back
from governance.services.set_policy import set_policy
from tests.cast import AKIRA, CAST, HANAKO, KENJI, MISAKI, NAOKO, SHIN, TARO, YUKI, Member, sign_up
from tests.factories import adapters
from tests.factories.evaluations import measure
from tests.factories.installations import BASE, Place, installed
from tests.showroom import LISTING, Sight

TEXTS = {
    "旅費規程": """国内出張の日当は一日三千円とする。宿泊費は一泊一万二千円を上限とする。

新幹線は片道百キロメートル以上で利用できる。精算は帰着後十日以内に行う。

海外出張は部門長の決裁を要する。仮払いは出発の五日前までに申請する。""",
    "在宅勤務規程": """在宅勤務は週三日までとする。始業時に勤怠システムへ打刻する。

通信費として月額二千円を支給する。""",
    "来客対応の手引き": """来客は受付で入館証を受け取る。入館証の色は当日の色とする。

会議室は前日の十七時までに予約する。""",
    "備品管理規程": "十万円以上の備品は台帳に記載する。棚卸は年二回行う。",
    "問合せ対応集": "返品は到着後十四日以内に受け付ける。送料は当社が負担する。",
    "旧名簿": "この名簿は保存期間が満了した。",
}
ASKED = {
    "旅費規程": {
        "日当はいくらですか。": "三千円",
        "宿泊費の上限はいくらですか。": "一万二千円",
        "新幹線は何キロメートルから使えますか。": "百キロメートル",
        "精算の期限はいつですか。": "十日以内",
        "海外出張には誰の決裁が必要ですか。": "部門長",
        "仮払いの申請期限はいつですか。": "五日前",
    },
    "在宅勤務規程": {
        "在宅勤務は週に何日までですか。": "三日",
        "始業時には何をしますか。": "打刻",
        "通信費はいくら支給されますか。": "二千円",
    },
    "来客対応の手引き": {"入館証はどこで受け取りますか。": "受付", "会議室の予約期限はいつですか。": "前日の十七時"},
    "備品管理規程": {"棚卸は年に何回ですか。": "二回"},
    "問合せ対応集": {"返品は何日以内ですか。": "十四日以内"},
    "旧名簿": {"名簿はどうなりましたか。": "保存期間が満了した"},
}
FIRST = (("在宅勤務規程", 1.6, HANAKO), ("来客対応の手引き", 1.3, TARO), ("備品管理規程", 1.1, HANAKO))
"""Contexts with what their first adapters gain, and who generated them."""
REASONS = ("旧版の記載が残っていたため", "改訂版に切り替えるため", "誤った回答が報告されたため", "確認が済んだため")


def build() -> None:
    """Fill the folder of the settings."""
    folder: Path = settings.VAR
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    _keys(folder)
    for member in CAST:
        sign_up(member)
    with installed(folder) as place:
        story = Story(place)
        story.found()
        story.tell()
        listed = [asdict(one) for one in story.sights()]
    (folder / LISTING).write_text(json.dumps(listed, ensure_ascii=False, indent=1), encoding="utf-8")


def _keys(folder: Path) -> None:
    create_key(folder / "keys" / "ledger.key")
    create_master_key(folder / "keys" / "vault.key")


class Story:
    """What happened in this company in the last weeks."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.random = random.Random(0)
        self.contexts: dict[str, str] = {}
        self.found_at: dict[str, str] = {}
        """Name -> digest, request, deployment or job, for the addresses of pages."""

    def found(self) -> None:
        """The cast with its roles, the policies, one of them in its second version, two slots; weeks ago."""
        migrate(self.place.ledger)
        self.place.clock.now = utc_now() - timedelta(days=40)
        found([Founder(id=one.id, name=one.name, roles=one.roles) for one in CAST], POLICIES)
        for name, title, policy in (("support", "社内問合せ窓口", "standard"), ("customer", "お客様相談室", "strict")):
            create_slot(self.place.actor(MISAKI), name=name, title=title, base=BASE, engine="core", policy=policy)
        self.place.clock.forward(days=1)
        set_policy(self.place.actor(MISAKI), name="strict", policy={**POLICIES["strict"], "expires_days": 60})
        self.place.clock.forward(days=5)

    def tell(self) -> None:
        """Bring adapters to every state."""
        first = self._approved("旅費規程", "旅費規程 第1版", gain=0.8)
        second = self._approved("旅費規程", "旅費規程 第2版", gain=1.9)
        for number, (title, gain) in enumerate(
            (("在宅勤務規程", 1.6), ("来客対応の手引き", 1.3), ("備品管理規程", 1.1))
        ):
            self._approved(title, f"{title} 初版", gain=gain, member=TARO if number % 2 else HANAKO)
        self._deploy(first, None, REASONS[1])
        self._deploy(second, first, REASONS[1])
        self._back(first, second, REASONS[2])
        self.found_at["deployment"] = self._deploy(second, first, REASONS[3])
        self.found_at |= {"first": first, "second": second}
        self._decisions()
        self._contexts()
        self._incidents()
        self._work()
        self._assurance()

    def _decisions(self) -> None:
        conditional = self._requested("備品管理規程", "備品管理規程 第2版", gain=1.0)
        approve_with_conditions(
            self.place.actor(YUKI), request=conditional, signature=self._signature(conditional), conditions="社内限り"
        )
        back = self._requested("問合せ対応集", "問合せ対応集 初版", gain=0.9)
        send_back(
            self.place.actor(YUKI),
            request=back,
            signature=self._signature(back, "checked"),
            comment="送料の記載が現行の規程と合いません",
            required="改訂後の本文で作り直してください",
        )
        rejected = self._requested("来客対応の手引き", "来客対応の手引き 試作", gain=0.4)
        reject(
            self.place.actor(KENJI),
            request=rejected,
            signature=self._signature(rejected, "decided"),
            comment="ベースモデルより良いことが示されていません",
        )
        waiting = self._requested("在宅勤務規程", "在宅勤務規程 第2版", gain=1.7)
        comment(self.place.actor(AKIRA), request=waiting, text="通信費の改定は総務部にも確認しました")
        comment(self.place.actor(HANAKO), request=waiting, text="確認ありがとうございます")
        joint = self._requested("問合せ対応集", "問合せ対応集 第2版", gain=1.8, slot="customer")
        for member in (YUKI, KENJI):
            approve(self.place.actor(member), request=joint, signature=self._signature(joint))
        self.found_at |= {"waiting": waiting, "joint": joint, "sheet": self.found_at["request:旅費規程 第2版"]}

    def _contexts(self) -> None:
        self._evaluated("旧名簿", "旧名簿", gain=0.7)
        erase_context(self.place.actor(MISAKI), context=self.contexts["旧名簿"], legal_basis="保存期間の満了")
        hold_context(self.place.actor(YUKI), context=self.contexts["備品管理規程"], reason="監査のため")
        old = self._evaluated("問合せ対応集", "問合せ対応集 試作", gain=0.2)
        retire(self.place.actor(HANAKO), adapter=old, reason="初版に置き換えたため")
        self.found_at["evaluated"] = self._evaluated("在宅勤務規程", "在宅勤務規程 第3版", gain=1.9)
        self.found_at["generated"] = self._generated("来客対応の手引き", "来客対応の手引き 第2版")

    def _incidents(self) -> None:
        """Two emergencies: one that was reviewed, and one of yesterday that waits for it."""
        early = self._evaluated("問合せ対応集", "問合せ対応集 緊急版", gain=1.2)
        self.found_at["incident-closed"] = self._emergency(
            early, None, "法改正により、返品の案内を直ちに改める必要があるため"
        )
        self.place.clock.forward(hours=3)
        close_incident(
            self.place.actor(KENJI),
            incident=self.found_at["incident-closed"],
            verdict="justified",
            found="旧規程の回答が続いており、緊急の切替えは妥当だったことを記録と本文で確認した。",
            measures="法改正の予定を月次で確認し、事前に承認を依頼する",
        )
        stopped = kill_switch(self.place.actor(MISAKI), slot="customer", seen=early, reason="正式な承認を待つため")
        self._finished(stopped.subject.id, None, slot="customer")
        late = self._evaluated("問合せ対応集", "問合せ対応集 緊急第2版", gain=1.3)
        self.place.clock.now = self._now() - timedelta(days=1)
        self.found_at["incident"] = self._emergency(
            late, None, "送料を誤って案内する回答が続き、利用者に不利益が出ているため"
        )

    def _emergency(self, adapter: str, seen: str | None, reason: str) -> str:
        """The glass broken for an adapter; answers the incident that this raises."""
        broken = break_glass(self.place.actor(MISAKI), slot="customer", adapter=adapter, seen=seen, reason=reason)
        with self.place.ledger.read() as db:
            (raised,) = queries.find_entries(db, EntryFilter(about=broken.subject, events=("incident:raised",)))
        self._finished(broken.subject.id, adapter, slot="customer")
        return raised.subject.id

    def _work(self) -> None:
        """Jobs: one under way, one that failed, one that waits."""
        generate(self.place.actor(TARO), context=self.contexts["備品管理規程"], name="備品管理規程 第3版")
        with self.place.ledger.write() as tx:
            if lost := jobs.lease_job(tx, worker="worker-1", kinds=("generate",), seconds=30):
                jobs.fail_job(tx, lost, error="the context must fit into memory: split it into several")
        self.found_at["job"] = evaluate(self.place.actor(HANAKO), adapter=self.found_at["generated"]).job
        self.place.clock.now = self._now()
        with self.place.ledger.write() as tx:
            if leased := jobs.lease_job(tx, worker="worker-1", kinds=("evaluate",), seconds=24 * 3600):
                progress = {"done": 7, "total": 18, "stage": "questions"}
                jobs.renew_job(tx, leased, seconds=24 * 3600, progress=progress)
        generate(self.place.actor(HANAKO), context=self.contexts["問合せ対応集"], name="問合せ対応集 第3版")

    def _assurance(self) -> None:
        """A delegation, a token, a refused attempt, a drift that was repaired."""
        until = self.place.clock.now + timedelta(days=14)
        delegate(self.place.actor(YUKI), to=KENJI.id, until=until, reason="休暇のため")
        expires = self.place.clock.now + timedelta(days=30)
        for name, scopes in (("社内ポータル", {"infer"}), ("CI", {"generate", "evaluate", "read"})):
            issue_token(self.place.actor(MISAKI), name=name, scopes=frozenset(scopes), expires=expires)
        try:
            waiting = self.found_at["waiting"]
            approve(self.place.actor(HANAKO), request=waiting, signature=self._signature(waiting))
        except DeniedError:
            pass
        worker = Actor(id="worker", name="worker-1", kind="system")
        drift = Subject(kind="drift", id="00000000-0000-4000-8000-00000000d01f")
        expected = {"name": f"support-{self.found_at['second'][:16]}", "digest": self.found_at["second"]}
        data = {"between": "ledger-engine:core", "expected": expected, "observed": None}
        with self.place.ledger.write() as tx:
            append(tx, "drift:found", subject=drift, actor=worker, data=data, refs=[Subject(kind="slot", id="support")])
        with self.place.ledger.write() as tx:
            append(
                tx,
                "drift:repaired",
                subject=drift,
                actor=worker,
                data={"how": "loaded again, past the gate and the canary"},
            )
        self._delivered()

    def _delivered(self) -> None:
        """What was to leave has left, but for a webhook that is down and an address that there is not."""
        topics, said = ("notice", "engine.deploy", "artifact.delete"), {"notice": "2 mails, 1 webhooks"}
        self.place.clock.forward(minutes=1)
        with self.place.ledger.write() as tx:
            while messages := outbox.lease_messages(tx, worker="worker-1", topics=topics, limit=50):
                for message in messages:
                    outbox.delivered(tx, message, detail=said.get(message.topic, "done"))
            notice = {"kind": "request_waiting", "subject": {"kind": "request", "id": self.found_at["waiting"]}}
            outbox.send(tx, topic="mail", key="a", payload={"person": SHIN.id, "notice": notice}, seq=75)
            hook = {"url": "https://chat.example/hooks/ringi", "notice": notice}
            outbox.send(tx, topic="webhook", key="b", payload=hook, seq=75)
            (mail,) = outbox.lease_messages(tx, worker="worker-1", topics=("mail",))
            outbox.given_up(tx, mail, error="the mail server refused the notice: status 550")
        for _ in range(3):
            with self.place.ledger.write() as tx:
                (message,) = outbox.lease_messages(tx, worker="worker-1", topics=("webhook",))
                outbox.failed(tx, message, error="the webhook gave no answer: ConnectError")
            self.place.clock.forward(minutes=1)

    def sights(self) -> tuple[Sight, ...]:
        """Every page, with who has most to see on it."""
        at = self.found_at
        moment = self._now().strftime("%Y-%m-%dT%H:%M:%S")
        people = (HANAKO, YUKI, KENJI, AKIRA, MISAKI, NAOKO)
        hanako, yuki, kenji, akira, misaki, naoko = (member.email for member in people)
        pages: tuple[tuple[str, str, str | None], ...] = (
            ("sign-in", "/accounts/login/", None),
            ("inbox-engineer", "/", hanako),
            ("inbox-reviewer", "/", yuki),
            ("inbox-manager", "/", akira),
            ("inbox-administrator", "/", misaki),
            ("inbox-auditor", "/", naoko),
            ("requests", "/requests/", yuki),
            ("request", f"/requests/{at['waiting']}/", yuki),
            ("request-joint", f"/requests/{at['joint']}/", akira),
            ("decide", f"/requests/{at['waiting']}/decide/", yuki),
            ("decision-sheet", f"/requests/{at['sheet']}/sheet/", naoko),
            ("delegations", "/delegations/", yuki),
            ("adapters", "/adapters/", hanako),
            ("adapter", f"/adapters/{at['second']}/", yuki),
            ("adapter-evaluated", f"/adapters/{at['evaluated']}/", hanako),
            ("adapter-under-evaluation", f"/adapters/{at['generated']}/", hanako),
            ("contexts", "/contexts/", hanako),
            ("context", f"/contexts/{self.contexts['旅費規程']}", hanako),
            ("context-erased", f"/contexts/{self.contexts['旧名簿']}", naoko),
            ("context-new", "/contexts/new", hanako),
            ("context-erase", f"/contexts/{self.contexts['来客対応の手引き']}/erase", misaki),
            ("compare", "/compare", akira),
            ("comparison", f"/compare/{at['first'][:12]}...{at['second'][:12]}...prompt...none", akira),
            ("slots", "/slots/", misaki),
            ("slot", "/slots/support/", misaki),
            ("slot-new", "/slots/new/", misaki),
            ("deploy", "/slots/support/deploy/", misaki),
            ("rollback", "/slots/support/rollback/", misaki),
            ("rollback-confirm", f"/slots/support/rollback/?adapter={at['first']}", misaki),
            ("kill-switch", "/slots/support/kill/", misaki),
            ("break-glass", "/slots/customer/break-glass/", misaki),
            ("break-glass-sign", f"/slots/customer/break-glass/?adapter={at['second']}", misaki),
            ("deployment", f"/deployments/{at['deployment']}/", misaki),
            ("incidents", "/incidents/", naoko),
            ("incident", f"/incidents/{at['incident']}/", yuki),
            ("incident-closed", f"/incidents/{at['incident-closed']}/", naoko),
            ("point-in-time", f"/at?slot=support&time={moment}", naoko),
            ("playground", "/playground/", hanako),
            ("jobs", "/jobs/", hanako),
            ("job", f"/jobs/{at['job']}/", hanako),
            ("messages", "/messages/", misaki),
            ("audit", "/audit/", naoko),
            ("entry", f"/audit/{at['entry']}", naoko),
            ("verify", "/audit/verify", naoko),
            ("policies", "/policies/", misaki),
            ("policy", "/policies/strict/", naoko),
            ("policy-version", "/policies/strict/1", naoko),
            ("policy-change", "/policies/standard/change", misaki),
            ("policy-new", "/policies/add", misaki),
            ("people", "/people/", misaki),
            ("person", f"/people/{HANAKO.id}/", misaki),
            ("person-new", "/people/add", misaki),
            ("tokens", "/tokens/", misaki),
            ("token-new", "/tokens/issue", misaki),
            ("second-factor", "/accounts/2fa/", kenji),
            ("password", "/accounts/password/change/", kenji),
            ("forbidden", "/tokens/issue", hanako),
            ("not-found", "/nowhere/", hanako),
        )
        return tuple(Sight(name=name, address=address, member=member) for name, address, member in pages)

    def _generated(self, title: str, name: str, member: Member | None = None) -> str:
        self.place.clock.forward(hours=5)
        if title not in self.contexts:
            asked = [{"question": one, "answers": [right]} for one, right in ASKED[title].items()]
            self.contexts[title] = adapters.submit(self.place, title=title, text=TEXTS[title], questions=asked)
        sites = ("self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj")
        norms = {
            f"model.layers.{layer}.{site}": {
                "frobenius": round(0.3 + 0.25 * self.random.random() + 0.02 * layer, 4),
                "spectral": round(0.2 + 0.1 * self.random.random(), 4),
                "effective_rank": round(2 + 4 * self.random.random(), 2),
                "spectral_gap": round(1 + self.random.random(), 3),
            }
            for layer, site in itertools.product(range(18, 29), sites)
        }
        total = round(sum(one["frobenius"] ** 2 for one in norms.values()) ** 0.5, 4)
        return adapters.generate(
            self.place,
            member or HANAKO,
            context=self.contexts[title],
            name=name,
            base=BASE,
            norms=norms,
            norm_total=total,
            tokens=len(TEXTS[title]),
            chunks=len(_lines(TEXTS[title])),
            padding=300_000,
        )

    def _evaluated(self, title: str, name: str, *, gain: float, member: Member | None = None) -> str:
        digest = self._generated(title, name, member)
        asked = ASKED[title]
        count = max(len(asked), 8)
        none = [3.0 + 0.3 * self.random.random() for _ in range(count)]

        def less(by: float) -> list[float]:
            return [max(0.05, value - by * (0.8 + 0.4 * self.random.random())) for value in none]

        unrelated = [2.0 + self.random.random() for _ in range(12)]
        known = [f"{right}です。" for right in asked.values()]
        learnt = [said if place < gain * 3 else "規程を確認してください。" for place, said in enumerate(known)]
        self.place.clock.forward(minutes=9)
        measure(
            self.place,
            digest,
            {"none": none, "prompt": less(2.4), "adapter": less(gain), "wrong": less(0.1)},
            general={"none": unrelated, "adapter": [one + 0.02 for one in unrelated]},
            said={
                "none": ["わかりません。一般的には会社によって異なります。"] * len(asked),
                "prompt": known,
                "adapter": learnt,
                "wrong": ["わかりません。"] * len(asked),
            },
            questions=list(asked),
            right=tuple(asked.values()),
            attribution=self._origin(title),
        )
        report = artifacts.keep(canonical_bytes({"schema": "ringi-evaluation-1", "adapter": digest, "general": []}))
        adapters.evaluate(self.place, digest, suite="retention", recovery=None, retention=0.985, report_digest=report)
        return digest

    def _origin(self, title: str) -> dict[str, Any]:
        """Shares of the text in an adapter: what answers a question weighs most."""
        text, context = TEXTS[title], self.contexts[title]
        words = [(found.start(), found.end()) for found in re.finditer(r"[一-龥]+|[ァ-ヶー]+|[ぁ-ん]+", text)]
        sought = "".join(ASKED[title].values())
        weights = [
            (3.0 if text[start:end] in sought else 0.6) * (0.5 + self.random.random()) * (end - start)
            for start, end in words
        ]
        values = [round(weight / sum(weights), 6) for weight in weights]
        parts = _lines(text)
        sums = [
            sum(value for (start, _end), value in zip(words, values, strict=True) if first <= start < last)
            for first, last in parts
        ]
        shares = {
            name: [
                {"document": context, "start": start, "end": end, "value": value}
                for (start, end), value in zip(places, amounts, strict=True)
            ]
            for name, places, amounts in (("tokens", words, values), ("chunks", parts, sums))
        }
        return {"shares": shares}

    def _requested(
        self, title: str, name: str, *, gain: float, slot: str = "support", member: Member | None = None
    ) -> str:
        digest = self._evaluated(title, name, gain=gain, member=member)
        self.place.clock.forward(hours=1)
        request = request_approval(
            self.place.actor(member or HANAKO),
            adapter=digest,
            slot=slot,
            comment=f"「{title}」の改訂に対応するため",
        )
        self.found_at[f"request:{name}"] = request
        self.found_at[f"adapter:{name}"] = digest
        self.place.clock.forward(hours=2)
        return request

    def _approved(self, title: str, name: str, *, gain: float, member: Member | None = None) -> str:
        request = self._requested(title, name, gain=gain, member=member)
        approve(
            self.place.actor(YUKI),
            request=request,
            signature=self._signature(request),
            comment="評価と本文を確認しました",
        )
        return self.found_at[f"adapter:{name}"]

    def _signature(self, request: str, meaning: str = "approved") -> Signature:
        with self.place.ledger.read() as db:
            row = request_queries.request(db, request)
        return Signature(meaning=meaning, stage=row.stage, bound_digest=row.bound_digest)

    def _deploy(self, adapter: str, seen: str | None, reason: str) -> str:
        self.place.clock.forward(hours=20)
        entry = deploy(self.place.actor(MISAKI), slot="support", adapter=adapter, seen=seen, reason=reason)
        return self._finished(entry.subject.id, adapter)

    def _back(self, adapter: str, seen: str, reason: str) -> None:
        self.place.clock.forward(hours=30)
        entry = roll_back(self.place.actor(MISAKI), slot="support", adapter=adapter, seen=seen, reason=reason)
        self._finished(entry.subject.id, adapter)

    def _finished(self, deployment: str, adapter: str | None, *, slot: str = "support") -> str:
        """As the worker ends a deployment; of the bare base where there is no adapter."""
        name = f"{slot}-{adapter[:16]}" if adapter else None
        loaded = {"name": name, "root": f"var/serving/{adapter}", "digest": adapter}
        data: dict[str, Any] = {
            "engine": "core",
            "loaded_name": name,
            "read_back": loaded if adapter else {"reachable": True, "base": "base"},
            "canary": {"passed": True, "distance": 0.0001} if adapter else None,
            "seconds": 0.41,
            "seconds_since_request": 0.9,
        }
        with self.place.ledger.write() as tx:
            entry = append(
                tx,
                "deployment:succeeded",
                subject=Subject(kind="deployment", id=deployment),
                actor=Actor(id="worker", name="worker-1", kind="system"),
                data=data,
            )
        self.found_at["entry"] = str(entry.seq)
        return deployment

    def _now(self) -> datetime:
        return utc_now()


def _lines(text: str) -> list[tuple[int, int]]:
    """Where a text's lines begin and end: its chunks, in this story."""
    return [(found.start(), found.end()) for found in re.finditer(r"[^\n]+", text)]
