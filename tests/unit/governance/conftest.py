"""Signed-in browsers for tests of pages."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client

from tests.cast import Member, sign_up
from tests.factories.installations import Place, copy_template, installed, make_template

SignIn = Callable[[Member], Client]


@pytest.fixture
def browser_of(db: None) -> SignIn:  # noqa: ARG001  asks for the database
    """A browser in which a member of the cast is signed in."""

    def sign_in(member: Member) -> Client:
        client = Client()
        client.force_login(sign_up(member), backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded installation; tests take copies."""
    return make_template(tmp_path_factory.mktemp("template") / "var")


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Iterator[Place]:
    """An installation of this test alone."""
    with installed(copy_template(template, tmp_path / "var")) as ready:
        yield ready
