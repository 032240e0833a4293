"""An SMTP server for one test: aiosmtpd on a free port of the loopback interface.

Prints its port and serves until standard input closes. Every message becomes a file of the directory `--into`, with
the envelope in front of it.
"""

import argparse
import asyncio
import base64
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

parser = argparse.ArgumentParser()
parser.add_argument("--into", required=True)
parser.add_argument("--tls", choices=["none", "starttls", "tls"], required=True)
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--username")
parser.add_argument("--password")
parser.add_argument("--refuse", help="answer every RCPT with this line")
parser.add_argument("--silent", action="store_true", help="accept connections and never say a word")
options = parser.parse_args()


class Handler:
    def __init__(self):
        self.count = 0

    async def auth_XOAUTH2(self, server, args):
        """The password is the access token. What is wrong with one is a question, which is answered with nothing."""
        login, token = options.username or "", options.password or ""
        good = f"user={login}\x01auth=Bearer {token}\x01\x01".encode()
        if len(args) == 2 and base64.b64decode(args[1]) == good:
            return AuthResult(
                success=True, auth_data=LoginPassword(login.encode(), token.encode())
            )
        answer = await server.challenge_auth('{"status":"401","schemes":"bearer"}')
        if answer != b"":
            return AuthResult(success=False, message="501 5.5.2 Nothing was expected")
        return AuthResult(success=False, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if options.refuse:
            return options.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        into = pathlib.Path(options.into)
        head = (
            f"X-Peer-From: {envelope.mail_from}\r\n"
            f"X-Peer-To: {', '.join(envelope.rcpt_tos)}\r\n"
            f"X-Peer-Hello: {session.host_name}\r\n"
            f"X-Peer-Tls: {'yes' if session.ssl or options.tls == 'tls' else 'no'}\r\n"
            f"X-Peer-Login: {session.auth_data.login.decode() if session.auth_data else '-'}\r\n"
        )
        hidden = into / f".{self.count}"
        hidden.write_bytes(head.encode() + envelope.content)
        hidden.rename(into / f"{self.count}.eml")
        return f"250 OK queued as peer-{self.count}"


def authenticate(server, session, envelope, mechanism, data):
    good = (
        isinstance(data, LoginPassword)
        and data.login == options.username.encode()
        and data.password == options.password.encode()
    )
    return AuthResult(success=good, handled=False, auth_data=data)


class Silent(asyncio.Protocol):
    pass


async def main():
    context = None
    if options.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    handler = Handler()

    def serve():
        if options.silent:
            return Silent()
        return SMTP(
            handler,
            hostname="peer.example.com",
            tls_context=context if options.tls == "starttls" else None,
            require_starttls=options.tls == "starttls",
            authenticator=authenticate if options.username else None,
            auth_required=bool(options.username),
            auth_require_tls=options.tls == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        serve, "127.0.0.1", 0, ssl=context if options.tls == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


asyncio.run(main())
