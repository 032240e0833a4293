// An identity provider of npm's samlp: answers the request in a redirect URL.
//
// saml_idp.js DIRECTORY URL response|assertion|both|encrypted
//
// DIRECTORY has key.pem and cert.pem of the provider, and sp.pem, the certificate of who asks.
'use strict';

const fs = require('fs');
const path = require('path');
const { execFileSync } = require('child_process');
const samlp = require('samlp');

const [directory, url, kind] = process.argv.slice(2);
const acs = 'https://sp.example.org/acs';
const read = (name) => fs.readFileSync(path.join(directory, name));
const query = Object.fromEntries(new URL(url).searchParams);
const options = {
    issuer: 'urn:samlp.example.com',
    key: read('key.pem'),
    cert: read('cert.pem'),
    // What the request has to be signed with.
    signingCert: read('sp.pem').toString(),
    getUserFromRequest: () => ({
        id: 'alice@example.com',
        emails: [{ value: 'alice@example.com' }],
        displayName: 'Alïce',
        name: { givenName: 'Alïce & <Co>', familyName: 'Example' },
    }),
    // Where the answer goes; what stands in it about that is read before the request is.
    getPostURL: (audience, request, _, callback) =>
        callback(null, request.documentElement.getAttribute('AssertionConsumerServiceURL')),
    recipient: acs,
    destination: acs,
    signResponse: kind !== 'assertion',
    signAssertion: kind !== 'response',
    responseHandler: (response) => process.stdout.write(response.toString('base64')),
};
if (kind === 'encrypted') {
    options.encryptionCert = read('sp.pem');
    options.encryptionPublicKey = execFileSync('openssl', ['x509', '-in', path.join(directory, 'sp.pem'), '-noout', '-pubkey']);
    options.encryptionAlgorithm = 'http://www.w3.org/2001/04/xmlenc#aes256-cbc';
    options.disallowEncryptionWithInsecureAlgorithm = false;
}
const failed = (error) => {
    console.error(error);
    process.exit(1);
};
samlp.auth(options)({ method: 'GET', query, originalUrl: url, url }, { send: failed }, failed);
