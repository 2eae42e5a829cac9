"""A mail server that takes what it is told to take, and forgets nothing."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(kw_only=True)
class MailServer:
    """What it was sent, and what it answers to whom."""

    port: int = 0
    sender: int = 250
    """What it answers to whoever sends."""
    answers: dict[str, list[int]] = field(default_factory=dict)
    """Address -> the statuses of its next mails; 250 once they are used up."""
    mails: list[tuple[str, EmailMessage]] = field(default_factory=list)
    """Of those that were taken: to whom, and what."""


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server on this machine, with as much of RFC 5321 as a client needs."""
    state = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say(220)
            to = ""
            while line := self.rfile.readline():
                word = line.split(maxsplit=1)[0].upper() if line.strip() else b""
                if word == b"QUIT":
                    self._say(221)
                    return
                if word == b"MAIL":
                    self._say(state.sender)
                elif word == b"RCPT":
                    to = line.decode().partition("<")[2].partition(">")[0]
                    waiting = state.answers.get(to) or [250]
                    self._say(waiting.pop(0))
                elif word == b"DATA":
                    self._say(354)
                    state.mails.append((to, self._mail()))
                    self._say(250)
                else:
                    self._say(250)

        def _mail(self) -> EmailMessage:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b"."))
            found = message_from_bytes(b"".join(lines), policy=policy.default)
            if not isinstance(found, EmailMessage):
                raise TypeError("the default policy makes an EmailMessage")
            return found

        def _say(self, status: int) -> None:
            self.wfile.write(f"{status} said\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.port = int(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()
