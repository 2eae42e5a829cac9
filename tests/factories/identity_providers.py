"""A small OpenID Connect provider on this machine: it signs its tokens, and says when somebody signed in."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "ringi-tests"


@dataclass
class Provider:
    """What it says of the person who signs in."""

    issuer: str = ""
    sub: str = "sub-1"
    auth_time: float | None = field(default_factory=time.time)
    """None: it says nothing of it."""

    def apps(self) -> dict[str, Any]:
        """allauth's settings for it."""
        app = {
            "provider_id": "sign-on",
            "name": "Provider",
            "client_id": CLIENT,
            "secret": "s" * 40,
            "settings": {"server_url": self.issuer},
        }
        return {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


@contextmanager
def identity_provider() -> Iterator[Provider]:
    """Run one for a while."""
    provider = Provider()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.endswith("openid-configuration"):
                self._answer(
                    {
                        "issuer": provider.issuer,
                        **{
                            f"{name}_endpoint": f"{provider.issuer}/{name}"
                            for name in ("authorization", "token", "userinfo")
                        },
                        "jwks_uri": f"{provider.issuer}/keys",
                        "token_endpoint_auth_methods_supported": ["client_secret_post"],
                    }
                )
            elif path == "/userinfo":
                self._answer({"sub": provider.sub, "name": "N", "email": "n@ringi.example"})
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            sent = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
            if sent.get("code") != "the-code" or sent.get("client_id") != CLIENT:
                self.send_error(400)
                return
            now = int(time.time())
            claims = {"iss": provider.issuer, "aud": CLIENT, "sub": provider.sub, "iat": now, "exp": now + 300}
            if provider.auth_time is not None:
                claims["auth_time"] = int(provider.auth_time)
            token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": "1"})
            access = base64.urlsafe_b64encode(b"access").decode()
            self._answer({"access_token": access, "token_type": "Bearer", "id_token": token})

        def _answer(self, stated: dict[str, Any]) -> None:
            body = json.dumps(stated).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
