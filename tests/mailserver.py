"""A small mail server on loopback that keeps what it took, and fails where it is told to.

Not here: TLS and logins; `smtplib` has those.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class MailServer:
    """The letters it took, and for whom. ``refuse`` answers no to every recipient; ``says`` are answers by the first
    word of a command (``.`` for the end of a letter); at ``hangs_up`` it goes without an answer."""

    port: int = 0
    refuse: bool = False
    says: dict[str, str] = field(default_factory=dict)
    hangs_up: str = ""
    letters: list[str] = field(default_factory=list)
    sent_to: list[list[str]] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)


@contextmanager
def running() -> Iterator[MailServer]:
    """A server on a free port."""
    box = MailServer()

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 mail.example")
            to: list[str] = []
            while line := self.rfile.readline().decode():
                word = line[:4].upper().strip()
                if box.hangs_up == word:
                    return
                if word == "DATA" and "DATA" not in box.says:
                    self.say("354 go on")
                    letter = self.letter()
                    if box.hangs_up == ".":
                        box.letters.append(letter)
                        return
                    if "." in box.says:
                        self.say(box.says["."])
                        continue
                    box.letters.append(letter)
                    box.sent_to.append(to)
                    to = []
                if word == "RCPT" and box.refuse:
                    self.say("550 no such person")
                    continue
                if word == "RCPT":
                    to.append(line.partition("<")[2].partition(">")[0])
                if word == "MAIL":
                    box.senders.append(line.partition("<")[2].partition(">")[0])
                self.say(box.says.get(word) or ("221 bye" if word == "QUIT" else "250 ok"))

        def letter(self) -> str:
            lines = []
            while (line := self.rfile.readline().decode()) != ".\r\n":
                lines.append(line)
            return "".join(lines)

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield box
        server.shutdown()
