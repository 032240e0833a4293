"""An SMS provider over HTTP for one test, on a free port of the loopback interface.

Prints its port and serves until standard input closes. Every message that it takes becomes a file of the directory
`--into`, with the request that brought it: `{"method", "path", "headers", "fields"}`.

In the shape `twilio` it is strict as Twilio is: the account in the path, Basic authentication, a form, the numbers of
its errors. In the shape `json` it is one of the many others: a bearer token or a login, JSON in and out, and a status of
200 for almost everything. Both repeat in their answers what they were sent, as many do.
"""

import argparse
import base64
import hmac
import json
import pathlib
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--into", required=True)
parser.add_argument("--shape", choices=["twilio", "json"], required=True)
parser.add_argument("--account", help="who logs in, and Twilio's account")
parser.add_argument("--token", required=True)
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument(
    "--mode",
    choices=["good", "429", "500", "redirect", "silent", "drip", "reset", "garbage"],
    default="good",
    help="what happens to every request, whatever is in it",
)
options = parser.parse_args()

# Twilio's own number for "this number is invalid", whoever asks with test credentials.
INVALID = "+15005550001"
# And for a number that no message can be routed to: the message is taken, and fails.
UNREACHABLE = "+15005550002"

lock = threading.Lock()
count = 0


def keep(request, fields):
    """Writes a message down; returns its number."""
    global count
    with lock:
        count += 1
        number = count
    kept = {
        "method": request.command,
        "path": request.path,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "fields": fields,
        "tls": isinstance(request.connection, ssl.SSLSocket),
    }
    into = pathlib.Path(options.into)
    hidden = into / f".{number}"
    hidden.write_text(json.dumps(kept))
    hidden.rename(into / f"{number}.json")
    return number


def logs_in(header):
    """Whether a header is Basic authentication with our account and token."""
    scheme, _, credentials = (header or "").partition(" ")
    wanted = base64.b64encode(f"{options.account}:{options.token}".encode()).decode()
    return scheme.lower() == "basic" and hmac.compare_digest(credentials, wanted)


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def twilio(request, body):
    # https://www.twilio.com/docs/api/errors
    if not logs_in(request.headers.get("Authorization")):
        raise Refused(401, 20003, "Authenticate")
    path = f"/2010-04-01/Accounts/{options.account}/Messages.json"
    if request.command != "POST" or request.path != path:
        raise Refused(404, 20404, f"The requested resource {request.path} was not found")
    if request.headers.get_content_type() != "application/x-www-form-urlencoded":
        raise Refused(415, 20415, "Unsupported Media Type")
    pairs = urllib.parse.parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    fields = dict(pairs)
    if len(fields) != len(pairs) or set(fields) - {"To", "From", "MessagingServiceSid", "Body"}:
        raise Refused(400, 20001, f"Unexpected parameters: {', '.join(name for name, _ in pairs)}")
    to = fields.get("To", "")
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", to) or to == INVALID:
        raise Refused(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    if not fields.get("Body"):
        raise Refused(400, 21602, "Message body is required.")
    service = fields.get("MessagingServiceSid")
    if service is not None and not re.fullmatch(r"MG[0-9a-f]{32}", service):
        raise Refused(400, 21701, "The Messaging Service SID is invalid.")
    if service is None and not fields.get("From"):
        raise Refused(400, 21603, "A 'From' phone number is required.")
    number = keep(request, fields)
    failed = to == UNREACHABLE
    return 201, {
        "sid": f"SM{number:032x}",
        "account_sid": options.account,
        "to": to,
        "from": fields.get("From"),
        "messaging_service_sid": service,
        "body": fields["Body"],
        "status": "failed" if failed else "queued",
        "error_code": 30003 if failed else None,
        "error_message": "Unreachable destination handset" if failed else None,
    }


def plain(request, body):
    header = request.headers.get("Authorization") or ""
    bearer = hmac.compare_digest(header, f"Bearer {options.token}")
    if not (logs_in(header) if options.account else bearer):
        raise Refused(401, 7, f"nobody is known by {header}")
    if urllib.parse.urlsplit(request.path).path != "/v1/send":
        raise Refused(404, 4, "no such method")
    if request.command == "GET":
        query = urllib.parse.urlsplit(request.path).query
        fields = dict(urllib.parse.parse_qsl(query, strict_parsing=True))
    elif request.headers.get_content_type() == "application/json":
        fields = json.loads(body)
    else:
        fields = dict(urllib.parse.parse_qsl(body.decode("ascii"), strict_parsing=True))
    if fields.get("to") == INVALID:
        # Such interfaces are fond of 200.
        return 200, {"code": 12, "reason": f"{INVALID} is no number", "echo": fields}
    number = keep(request, fields)
    return 200, {"code": 0, "data": [{"id": f"m-{number}"}], "echo": fields}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def misbehave(self):
        """What the mode asks for; whether the request is over."""
        if options.mode == "429":
            self.answer(429, {"code": 20429, "message": "Too Many Requests", "status": 429})
        elif options.mode == "500":
            # A trace of the kind that repeats the request.
            text = f"oops\n{self.headers}\n{self.body.decode()}".encode()
            self.send_response(500)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        elif options.mode == "redirect":
            self.send_response(302)
            self.send_header("Location", "https://sms.example.net/login?back=1")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif options.mode == "silent":
            time.sleep(60)
        elif options.mode == "drip":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nX-Drip: ")
            while True:
                time.sleep(0.1)
                self.wfile.write(b"x")
        elif options.mode == "reset":
            # A connection that is closed at once, lingering not at all, is reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif options.mode == "garbage":
            self.wfile.write(b"+OK ready\r\n")
            self.close_connection = True
        else:
            return False
        return True

    def answer(self, status, document):
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.misbehave():
            return
        try:
            status, document = (twilio if options.shape == "twilio" else plain)(self, self.body)
        except Refused as refused:
            status = refused.status
            document = {
                "code": refused.code,
                "message": refused.message,
                "more_info": f"https://www.twilio.com/docs/errors/{refused.code}",
                "status": refused.status,
            }
        except ValueError as error:
            status, document = 400, {"code": 20001, "message": str(error)}
        self.answer(status, document)

    do_GET = do_POST
    do_PUT = do_POST


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        # In the thread of the connection: a client that does not shake hands holds nobody up.
        if options.cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.cert, options.key)
            request = context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if options.cert and request.fileno() != -1:
            request.close()


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.buffer.read()
