"""Signed-in browsers for tests of pages."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.cast import Member, sign_up

SignIn = Callable[[Member], Client]


@pytest.fixture
def browser_of(db: None) -> SignIn:  # noqa: ARG001  asks for the database
    """A browser in which a member of the cast is signed in."""

    def sign_in(member: Member) -> Client:
        client = Client()
        client.force_login(sign_up(member), backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in
