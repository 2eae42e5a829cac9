"""A production process: what it refuses to start with, and how its cookies leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SAFE = {
    "RINGI_DEBUG": "0",
    "RINGI_SECRET_KEY": "correct-horse-battery-staple-" * 2,
    "RINGI_ALLOWED_HOSTS": "ringi.example",
    "RINGI_ADDRESS": "https://ringi.example",
}


def run(tmp_path: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    start = "import django; django.setup(); from django.conf import settings; import json\n"
    surroundings = {**os.environ, "DJANGO_SETTINGS_MODULE": "governance.settings", "RINGI_VAR": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", start + script],
        cwd=ROOT,
        env={**surroundings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_does_not_start_with_the_values_of_a_demonstration(tmp_path: Path) -> None:
    done = run(tmp_path, "", RINGI_DEBUG="0")

    assert done.returncode == 1
    assert "RINGI_SECRET_KEY must hold at least 50 characters" in done.stderr


def test_production_passes_djangos_own_checks_and_hides_its_cookies(tmp_path: Path) -> None:
    script = """
from django.core import checks
found = [str(m) for m in checks.run_checks(include_deployment_checks=True)]
names = "SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SESSION_COOKIE_HTTPONLY SECURE_SSL_REDIRECT DEBUG".split()
print(json.dumps([found, {name: getattr(settings, name) for name in names}, settings.SESSION_COOKIE_NAME]))
"""
    done = run(tmp_path, script, **SAFE)

    assert done.returncode == 0, done.stderr
    found, flags, cookie = json.loads(done.stdout)
    assert found == []
    assert flags == {**dict.fromkeys(flags, True), "DEBUG": False}
    assert cookie.startswith("__Host-")


def test_mails_are_from_this_installation_and_wait_for_no_silent_server(tmp_path: Path) -> None:
    script = """
names = "DEFAULT_FROM_EMAIL EMAIL_HOST EMAIL_PORT EMAIL_HOST_USER EMAIL_HOST_PASSWORD EMAIL_USE_TLS".split()
print(json.dumps([*(getattr(settings, name) for name in names), 0 < settings.EMAIL_TIMEOUT < 60]))
"""
    done = run(tmp_path, script, **SAFE, RINGI_MAIL_URL="smtp://mailer%40ringi.example:a%2Fb%3A@mail.example")

    assert done.returncode == 0, done.stderr
    sender, *rest = json.loads(done.stdout)
    assert sender == "Ringi <ringi@ringi.example>"
    assert rest == ["mail.example", 587, "mailer@ringi.example", "a/b:", True, True]


def test_a_sign_on_provider_is_offered_when_it_is_set(tmp_path: Path) -> None:
    provider = {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "ringi", "OIDC_CLIENT_SECRET": "s"}
    script = """
from django.urls import reverse
forms = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"]
print(json.dumps([reverse("openid_connect_login", args=["sign-on"]), forms]))
"""
    done = run(tmp_path, script, **SAFE, **provider)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["/accounts/oidc/sign-on/login/", ["'self'", "https://id.example"]]


def test_the_web_process_starts_without_torch_mlflow_and_ray(tmp_path: Path) -> None:
    script = """
import sys, governance.urls.root, governance.wsgi
print(json.dumps(sorted({"torch", "mlflow", "ray", "transformers"} & sys.modules.keys())))
"""
    done = run(tmp_path, script, RINGI_DEBUG="1")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
