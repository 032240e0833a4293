"""Verifies an access token through a printed key set, and makes tokens that nobody should take.

It reads {"jwks", "token", "audience"} and prints {"claims", "header", "refused": [...], "forged": {name: token}}.
"""

import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

given = json.load(sys.stdin)
keys = jwt.PyJWKSet.from_dict(given["jwks"])
token = given["token"]
header = jwt.get_unverified_header(token)
key = keys[header["kid"]]
required = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"]


def read(text, audience):
    options = {"require": required}
    return jwt.decode(text, key.key, algorithms=["ES256"], audience=audience, options=options)


claims = read(token, given["audience"])
refused = []
head, body, signature = token.split(".")
turned = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
for name, text, audience in [
    ("tampered", f"{head}.{body}.{turned}", given["audience"]),
    ("audience", token, "https://elsewhere.example.com"),
]:
    try:
        read(text, audience)
    except jwt.InvalidTokenError:
        refused.append(name)

other = ec.generate_private_key(ec.SECP256R1())
about = {"kid": header["kid"], "typ": "at+jwt"}
forged = {
    "tampered": f"{head}.{body}.{turned}",
    "none": jwt.encode(claims, None, algorithm="none", headers=about),
    "another key": jwt.encode(claims, other, algorithm="ES256", headers=about),
    "the public key as a secret": jwt.encode(claims, given["jwks"]["keys"][0]["x"] * 2, algorithm="HS256", headers=about),
}
json.dump({"claims": claims, "header": header, "refused": refused, "forged": forged}, sys.stdout)
