"""An identity provider of pysaml2: prints its metadata, or answers the request in a redirect URL.

saml_idp.py DIRECTORY metadata
saml_idp.py DIRECTORY answer URL response|assertion|both|encrypted

DIRECTORY has key.pem and cert.pem of the provider, and sp.xml, the metadata of who asks.
"""

import base64
import functools
import sys
from urllib.parse import parse_qs, urlsplit

import saml2.entity
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NameID
from saml2.server import Server
from saml2.sigver import CryptoBackendXmlSec1, get_xmlsec_binary

# What it would encrypt with by itself is triple DES, which is not taken.
saml2.entity.pre_encryption_part = functools.partial(
    saml2.entity.pre_encryption_part, msg_enc="http://www.w3.org/2001/04/xmlenc#aes256-cbc"
)
encrypt = CryptoBackendXmlSec1.encrypt_assertion
CryptoBackendXmlSec1.encrypt_assertion = lambda self, statement, key, template, _, path: encrypt(
    self, statement, key, template, "aes-256", path
)

directory, verb = sys.argv[1:3]
ENTITY = "https://pysaml2.example.com/metadata"


def settings(with_sp):
    config = {
        "entityid": ENTITY,
        "xmlsec_binary": get_xmlsec_binary(),
        "key_file": f"{directory}/key.pem",
        "cert_file": f"{directory}/cert.pem",
        "service": {
            "idp": {
                "endpoints": {
                    "single_sign_on_service": [
                        ("https://pysaml2.example.com/post", BINDING_HTTP_POST),
                        ("https://pysaml2.example.com/redirect", BINDING_HTTP_REDIRECT),
                    ],
                    "single_logout_service": [("https://pysaml2.example.com/slo", BINDING_HTTP_REDIRECT)],
                },
                "want_authn_requests_signed": True,
                "policy": {"default": {"attribute_restrictions": None, "lifetime": {"minutes": 5}}},
            }
        },
    }
    if with_sp:
        config["metadata"] = {"local": [f"{directory}/sp.xml"]}
    return IdPConfig().load(config)


if verb == "metadata":
    print(entity_descriptor(settings(False)))
    sys.exit()

url, kind = sys.argv[3:5]
server = Server(config=settings(True))
query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
request = server.parse_authn_request(
    query["SAMLRequest"],
    BINDING_HTTP_REDIRECT,
    relay_state=query["RelayState"],
    sigalg=query["SigAlg"],
    signature=query["Signature"],
).message
answer = server.create_authn_response(
    {"mail": ["alice@example.com"], "givenName": ["Alïce & <Co>"]},
    request.id,
    request.assertion_consumer_service_url,
    request.issuer.text,
    name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text="alice@example.com"),
    authn={"class_ref": "https://refeds.org/profile/mfa", "authn_auth": ENTITY},
    sign_response=kind in ("response", "both", "encrypted"),
    sign_assertion=kind in ("assertion", "both", "encrypted"),
    encrypt_assertion=kind == "encrypted",
    sign_alg="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    digest_alg="http://www.w3.org/2001/04/xmlenc#sha256",
)
print(base64.b64encode(str(answer).encode()).decode())
