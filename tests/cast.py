"""A fixed cast of people: who they are and which role each of them has. Tests name them instead of inventing people."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PASSWORD = "a-long-enough-password"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One person of the cast."""

    id: str
    name: str
    email: str
    roles: tuple[str, ...]


def _member(number: int, name: str, mailbox: str, *roles: str) -> Member:
    return Member(id=f"00000000-0000-4000-8000-{number:012d}", name=name, email=f"{mailbox}@ringi.example", roles=roles)


HANAKO = _member(1, "佐藤 花子", "hanako.sato", "engineer")
TARO = _member(2, "鈴木 太郎", "taro.suzuki", "engineer")
YUKI = _member(3, "高橋 由紀", "yuki.takahashi", "reviewer")
KENJI = _member(4, "田中 健二", "kenji.tanaka", "reviewer")
AKIRA = _member(5, "伊藤 明", "akira.ito", "manager")
MISAKI = _member(6, "渡辺 美咲", "misaki.watanabe", "admin")
NAOKO = _member(7, "山本 直子", "naoko.yamamoto", "auditor")
SHIN = _member(8, "中村 新", "shin.nakamura")
"""Without any role."""
CAST = (HANAKO, TARO, YUKI, KENJI, AKIRA, MISAKI, NAOKO, SHIN)


def sign_up(member: Member) -> "User":
    """The member's account, made once."""
    from allauth.account.models import EmailAddress
    from django.contrib.auth.models import User

    user, made = User.objects.get_or_create(
        username=member.id, defaults={"email": member.email, "first_name": member.name}
    )
    if made:
        user.set_password(PASSWORD)
        user.save()
        EmailAddress.objects.create(user=user, email=member.email, verified=True, primary=True)
    return user
