"""The web half's settings while tests run: a folder of their own, people in memory, and a fast password hash."""

import os
import tempfile

os.environ["RINGI_DEBUG"] = "1"
os.environ["RINGI_VAR"] = tempfile.mkdtemp(prefix="ringi-tests-")

from governance.settings import *  # noqa: F403  the rest is as it is

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "ATOMIC_REQUESTS": False}}
# Argon2 is slow on purpose; that it is the hash is tested.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "django.contrib.auth.hashers.Argon2PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
