-- twofa: the latest schema of a store, version 1.
--
-- A new store is made from this file; an older one is brought here step by step (src/store/upgrade.rs), and a test
-- holds "upgraded = fresh". It is written to be read with the sqlite3 shell: the meaning of a column stands inside the
-- parentheses, so `.schema` shows it. To look around, start with the views at the end.
--
-- Conventions
--   * …_at is a whole Unix second, UTC.
--   * …_key is a name as it is compared: trimmed, NFKC, case-folded. It is computed by twofa, never by SQL.
--   * a column called sealed is `version ‖ key id ‖ nonce ‖ ciphertext`, readable only with the key file.
--   * a column called …_hash is a keyed hash, testable only with the key file.
--   * ids are never reused (AUTOINCREMENT): a sealed value is bound to the row it was made for.

CREATE TABLE store (
    id                  INTEGER PRIMARY KEY CHECK (id = 1),     -- one row
    store_id            TEXT    NOT NULL,                       -- random; bound into every sealed value and into the audit chain
    created_at          INTEGER NOT NULL,
    first_administrator INTEGER REFERENCES user (id)            -- the user `init` made: may be renamed, never removed
) STRICT;

-- The keys that seal and hash. Each is random and wrapped by a key of the key file (the ring).
CREATE TABLE data_key (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    purpose    TEXT    NOT NULL CHECK (purpose IN ('seal', 'hash', 'pepper', 'audit', 'token')),
    ring_key   TEXT    NOT NULL,                                -- id of the key in the key file that wraps this one
    wrapped    BLOB    NOT NULL,                                -- nonce ‖ ciphertext
    current    INTEGER NOT NULL CHECK (current IN (0, 1)),      -- 1: new values use this key
    created_at INTEGER NOT NULL
) STRICT;
-- one current key for each purpose
CREATE UNIQUE INDEX data_key_current ON data_key (purpose) WHERE current = 1;

-- People and technical accounts that log in.
CREATE TABLE user (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    login                  TEXT    NOT NULL,                    -- as written; compared through `identity`
    name                   TEXT,
    email                  TEXT,
    phone                  TEXT,                                -- '+' and 7 to 15 digits
    type                   TEXT    NOT NULL CHECK (type IN ('employee', 'external', 'technical')),
    language               TEXT    NOT NULL DEFAULT 'en',       -- of the messages this user gets
    active                 INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    locked_until_at        INTEGER,                             -- a lock that has run out still stands here until the next writing command sees it
    second_factor_failures INTEGER NOT NULL DEFAULT 0 CHECK (second_factor_failures >= 0), -- over all methods and challenges, since the last success
    password_failures      INTEGER NOT NULL DEFAULT 0 CHECK (password_failures >= 0),
    password_reserved      INTEGER NOT NULL DEFAULT 0 CHECK (password_reserved >= 0), -- passwords being compared right now; each is a try until it is judged
    password_reserved_at   INTEGER,                             -- when the last of them began; after a minute none is left
    password_hash          TEXT,                                -- $argon2id$… made with the store's pepper; NULL: cannot log in with a password
    password_imported      BLOB,                                -- sealed; a hash of another system, until the next login makes one of ours of it
    password_changed_at    INTEGER,
    must_change            INTEGER NOT NULL DEFAULT 0 CHECK (must_change IN (0, 1)), -- 1: the next login asks for a new password
    os_user                TEXT,                                -- the account of this machine that acts as this user
    last_login_at          INTEGER,
    newest_event           INTEGER,                             -- audit.seq of the newest event about this user; from there on audit.earlier leads
    created_at             INTEGER NOT NULL,
    CHECK (password_hash IS NULL OR password_imported IS NULL)
) STRICT;
-- the user an operating-system account acts as
CREATE UNIQUE INDEX user_os_user ON user (os_user) WHERE os_user IS NOT NULL;
-- who is locked now (`status`, `user list --locked`), and whose lock ran out
CREATE INDEX user_locked ON user (locked_until_at) WHERE locked_until_at IS NOT NULL;

-- Logins and email addresses share one space of names: each leads to exactly one user.
CREATE TABLE identity (
    key      TEXT    PRIMARY KEY NOT NULL,                      -- folded login or address
    user     INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    is_login INTEGER NOT NULL CHECK (is_login IN (0, 1)),
    is_email INTEGER NOT NULL CHECK (is_email IN (0, 1)),       -- an address that codes can go to, be it a login or not
    CHECK (is_login + is_email > 0)
) STRICT, WITHOUT ROWID;
-- the names of one user (edit, remove)
CREATE INDEX identity_user ON identity (user);

-- Passwords that were replaced, as far back as `PasswordHistoryRecordCount` went when they were.
CREATE TABLE password_history (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user        INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    hash        TEXT,                                           -- as user.password_hash
    imported    BLOB,                                           -- sealed; as user.password_imported
    replaced_at INTEGER NOT NULL,
    CHECK ((hash IS NULL) <> (imported IS NULL))
) STRICT;
-- the earlier passwords of one user, newest first
CREATE INDEX password_history_user ON password_history (user, id);

CREATE TABLE "group" (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    name_key   TEXT    NOT NULL UNIQUE,
    built_in   TEXT    UNIQUE CHECK (built_in IN ('employees', 'externals', 'administrators')), -- the first two are computed from user.type and have no members here
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE group_user (
    "group" INTEGER NOT NULL REFERENCES "group" (id) ON DELETE CASCADE,
    user    INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    PRIMARY KEY ("group", user)
) STRICT, WITHOUT ROWID;
-- the groups a user is in directly (permissions, `user show`)
CREATE INDEX group_user_user ON group_user (user);

CREATE TABLE group_group (
    "group" INTEGER NOT NULL REFERENCES "group" (id) ON DELETE CASCADE,
    member  INTEGER NOT NULL REFERENCES "group" (id) ON DELETE CASCADE, -- every user of `member` is a user of `group`
    PRIMARY KEY ("group", member),
    CHECK ("group" <> member)
) STRICT, WITHOUT ROWID;
-- the groups a group is in (permissions)
CREATE INDEX group_group_member ON group_group (member);

-- What a permission governs.
CREATE TABLE operation (
    code TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may. The smallest position whose grantee is the user, or a group the user is in, decides; nothing matches: no.
CREATE TABLE grantee (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT    NOT NULL REFERENCES operation (code),
    position  INTEGER NOT NULL CHECK (position > 0),            -- 1..n without gaps, kept so by twofa
    user      INTEGER REFERENCES user (id) ON DELETE CASCADE,
    "group"   INTEGER REFERENCES "group" (id) ON DELETE CASCADE,
    access    TEXT    NOT NULL CHECK (access IN ('allow', 'deny')),
    until_at  INTEGER,                                          -- from this second on the row does not match
    CHECK ((user IS NULL) <> ("group" IS NULL))
) STRICT;
-- the ordered list of one operation
CREATE INDEX grantee_operation ON grantee (operation, position);
-- the rows that name a user or a group (removal)
CREATE INDEX grantee_user ON grantee (user) WHERE user IS NOT NULL;
CREATE INDEX grantee_group ON grantee ("group") WHERE "group" IS NOT NULL;

-- The "2FA methods" lookup.
CREATE TABLE method (
    code       TEXT    PRIMARY KEY NOT NULL CHECK (code IN ('email', 'sms', 'totp', 'recovery-codes')),
    position   INTEGER NOT NULL UNIQUE,                         -- lookup order
    name       TEXT    NOT NULL,
    enabled    INTEGER NOT NULL DEFAULT 0 CHECK (enabled IN (0, 1)),
    is_primary INTEGER NOT NULL DEFAULT 0 CHECK (is_primary IN (0, 1)),
    CHECK (enabled = 1 OR is_primary = 0),
    CHECK (code <> 'recovery-codes' OR is_primary = 0)
) STRICT, WITHOUT ROWID;
-- at most one row is primary
CREATE UNIQUE INDEX method_primary ON method (is_primary) WHERE is_primary = 1;

-- The words in which a code leaves us. The texts shipped with twofa stand in the program.
CREATE TABLE template (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT    NOT NULL,
    name_key TEXT    NOT NULL UNIQUE,
    kind     TEXT    NOT NULL CHECK (kind IN ('email', 'sms'))
) STRICT;

-- Words that differ from the shipped ones, or that no words are shipped for.
CREATE TABLE template_words (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    template   INTEGER NOT NULL REFERENCES template (id),
    language   TEXT    NOT NULL,                                -- a tag in lower case, as user.language; a language without words falls back to a shorter tag, then to 'en'
    subject    TEXT,                                            -- email
    text       TEXT    NOT NULL,                                -- with macros: #Username#
    html       TEXT,                                            -- email: the other form of the same message; NULL: none
    changed_at INTEGER NOT NULL,
    UNIQUE (template, language)
) STRICT;

-- Where codes leave by mail.
CREATE TABLE mailbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL UNIQUE,
    kind         TEXT    NOT NULL CHECK (kind IN ('smtp', 'file', 'sendmail')),
    from_name    TEXT,
    from_address TEXT    NOT NULL,
    host         TEXT,                                          -- smtp
    port         INTEGER CHECK (port BETWEEN 1 AND 65535),      -- smtp
    tls          TEXT    CHECK (tls IN ('none', 'starttls', 'tls')), -- smtp
    username     TEXT,                                          -- smtp, with a password
    password     BLOB,                                          -- smtp; sealed
    auth         TEXT    CHECK (auth IN ('plain', 'login', 'xoauth2')), -- smtp; NULL: what the server offers, PLAIN first
    ca_file      TEXT,                                          -- smtp: trust this file of certificates instead of the system's
    path         TEXT,                                          -- file: the directory; sendmail: the program
    created_at   INTEGER NOT NULL,
    CHECK ((kind = 'smtp') = (host IS NOT NULL AND port IS NOT NULL AND tls IS NOT NULL)),
    CHECK ((kind = 'smtp') = (path IS NULL)),
    CHECK ((username IS NULL) = (password IS NULL)),
    CHECK (auth IS NULL OR username IS NOT NULL)
) STRICT;

-- Where codes leave by SMS.
CREATE TABLE sms_provider (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL UNIQUE,
    kind        TEXT    NOT NULL CHECK (kind IN ('twilio', 'http', 'smpp', 'command', 'file')),
    sender      TEXT,                                           -- a number or a name that messages say they are from; NULL: the setting SmsSenderName
    username    TEXT,                                           -- twilio: the account; http, smpp: who logs in
    secret      BLOB,                                           -- sealed; twilio, http, smpp: the token or password
    url         TEXT,                                           -- twilio: where the interface is; http: where a message goes
    http_method TEXT    CHECK (http_method IN ('GET', 'POST', 'PUT')), -- http
    headers     TEXT    CHECK (json_valid(headers)),            -- http: [[name, value], …]
    body        TEXT,                                           -- http, with macros
    success     TEXT,                                           -- http: what counts as success beside the status
    receipt     TEXT,                                           -- http: where in the answer the receipt is
    host        TEXT,                                           -- smpp
    port        INTEGER CHECK (port BETWEEN 1 AND 65535),       -- smpp
    tls         TEXT    CHECK (tls IN ('none', 'tls')),         -- smpp
    system_type TEXT,                                           -- smpp
    ca_file     TEXT,                                           -- twilio, http, smpp: trust this file of certificates instead of the system's
    path        TEXT,                                           -- command: the program; file: the directory
    arguments   TEXT    CHECK (json_valid(arguments)),          -- command: [argument, …], with macros
    created_at  INTEGER NOT NULL,
    CHECK ((kind IN ('twilio', 'http')) = (url IS NOT NULL)),
    CHECK ((kind = 'http') = (http_method IS NOT NULL AND headers IS NOT NULL)),
    CHECK ((kind = 'smpp') = (host IS NOT NULL AND port IS NOT NULL AND tls IS NOT NULL)),
    CHECK ((kind IN ('command', 'file')) = (path IS NOT NULL)),
    CHECK ((kind = 'command') = (arguments IS NOT NULL)),
    CHECK (kind NOT IN ('twilio', 'smpp') OR username IS NOT NULL)
) STRICT;

-- Integrations, which get in by OAuth 2.0 and never by a password: client credentials (RFC 6749, section 4.4).
CREATE TABLE oauth_client (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    name                TEXT    NOT NULL,
    name_key            TEXT    NOT NULL UNIQUE,
    client_id           TEXT    NOT NULL UNIQUE,                -- 128 random bits; no secret
    user                INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE, -- the technical user it acts as
    active              INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    secret_hash         BLOB    NOT NULL,                       -- of 256 random bits
    secret_at           INTEGER NOT NULL,                       -- when that was made
    old_secret_hash     BLOB,                                   -- the one before, which is taken too for a while
    old_secret_until_at INTEGER,                                -- from this second on it is not
    generation          INTEGER NOT NULL DEFAULT 1 CHECK (generation > 0), -- a token names it: those of an earlier one are void
    ttl                 INTEGER NOT NULL CHECK (ttl BETWEEN 60 AND 86400), -- seconds a token is good for
    audience            TEXT,                                   -- whom its tokens are for; NULL: this store
    scope               TEXT    NOT NULL DEFAULT '',            -- words with one space between them
    last_token_at       INTEGER,
    created_at          INTEGER NOT NULL,
    CHECK ((old_secret_hash IS NULL) = (old_secret_until_at IS NULL))
) STRICT;
-- the clients of a user (removal)
CREATE INDEX oauth_client_user ON oauth_client (user);

-- Identity providers: whoever logs in through one proves there who they are (SAML 2.0), and gets the second factor there.
CREATE TABLE idp (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    name               TEXT    NOT NULL,
    name_key           TEXT    NOT NULL UNIQUE,
    kind               TEXT    NOT NULL CHECK (kind IN ('entra', 'okta', 'onelogin', 'custom')), -- whose habits were put in when it was added
    enabled            INTEGER NOT NULL DEFAULT 0 CHECK (enabled IN (0, 1)),
    entity_id          TEXT    NOT NULL,                        -- its name in every message, compared letter by letter
    sso_url            TEXT    NOT NULL,                        -- where a browser is sent (HTTP-Redirect)
    slo_url            TEXT,
    own_entity_id      TEXT,                                    -- our name in every message; NULL: urn:twofa:STORE_ID
    acs_url            TEXT,                                    -- where the application takes responses; NULL: not known yet
    name_id_format     TEXT,                                    -- that requests ask for; NULL: the provider chooses
    login_attribute    TEXT,                                    -- the attribute that says who it is; NULL: NameID
    may_begin          INTEGER NOT NULL DEFAULT 0 CHECK (may_begin IN (0, 1)), -- 1: logins that nobody asked for here
    sign_requests      INTEGER NOT NULL DEFAULT 0 CHECK (sign_requests IN (0, 1)),
    sha1               INTEGER NOT NULL DEFAULT 0 CHECK (sha1 IN (0, 1)), -- 1: signatures with SHA-1 are taken
    require_mfa        INTEGER NOT NULL DEFAULT 0 CHECK (require_mfa IN (0, 1)), -- 1: a second factor has to be asserted
    mfa_contexts       TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(mfa_contexts)), -- [class, …]: contexts that assert one
    mfa_attribute      TEXT,                                    -- an attribute that asserts one …
    mfa_value          TEXT,                                    -- … where it has this value
    employees          TEXT    NOT NULL CHECK (employees IN ('none', 'existing', 'create')), -- which of them come through it
    externals          TEXT    NOT NULL CHECK (externals IN ('none', 'existing', 'create')),
    external_attribute TEXT,                                    -- a new user is an external one where this attribute …
    external_value     TEXT,                                    -- … has this value; NULL: by what is created
    administrators     INTEGER NOT NULL DEFAULT 0 CHECK (administrators IN (0, 1)), -- 1: they may come through it too
    update_users       INTEGER NOT NULL DEFAULT 0 CHECK (update_users IN (0, 1)), -- 1: each login brings the mapped fields up to date
    attribute_map      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(attribute_map)), -- [[attribute, field], …]; of a field, the first that is there
    groups_attribute   TEXT,                                    -- whose values idp_group maps
    private_key        BLOB,                                    -- sealed; RSA, PKCS#8: signs requests and opens assertions
    certificate        BLOB,                                    -- X.509 of that key, DER; no secret
    created_at         INTEGER NOT NULL,
    CHECK ((private_key IS NULL) = (certificate IS NULL)),
    CHECK ((mfa_attribute IS NULL) = (mfa_value IS NULL)),
    CHECK ((external_attribute IS NULL) = (external_value IS NULL)),
    CHECK (enabled = 0 OR acs_url IS NOT NULL)
) STRICT;

-- What a provider signs with. Two while one takes over from the other.
CREATE TABLE idp_certificate (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    idp           INTEGER NOT NULL REFERENCES idp (id) ON DELETE CASCADE,
    fingerprint   TEXT    NOT NULL,                             -- SHA-256 of der, in hexadecimal digits
    der           BLOB    NOT NULL,
    not_before_at INTEGER NOT NULL,
    not_after_at  INTEGER NOT NULL,
    UNIQUE (idp, fingerprint)
) STRICT;

-- Which groups a value of idp.groups_attribute stands for.
CREATE TABLE idp_group (
    idp     INTEGER NOT NULL REFERENCES idp (id) ON DELETE CASCADE,
    value   TEXT    NOT NULL,
    "group" INTEGER NOT NULL REFERENCES "group" (id) ON DELETE CASCADE,
    PRIMARY KEY (idp, value, "group")
) STRICT, WITHOUT ROWID;
-- the values that stand for a group (removal)
CREATE INDEX idp_group_group ON idp_group ("group");

-- Who came through a provider, by what it calls them.
CREATE TABLE idp_user (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    idp           INTEGER NOT NULL REFERENCES idp (id) ON DELETE CASCADE,
    subject       TEXT    NOT NULL,                             -- NameID; where that is another each time, what the user was found by
    user          INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    contexts      TEXT    NOT NULL CHECK (json_valid(contexts)), -- [class, …]: how the last login was asserted to be authenticated
    mfa           INTEGER NOT NULL CHECK (mfa IN (0, 1)),       -- whether that has a second factor
    created       INTEGER NOT NULL CHECK (created IN (0, 1)),   -- 1: the user was added by their first login
    persistent    INTEGER NOT NULL DEFAULT 0 CHECK (persistent IN (0, 1)), -- 1: the provider gives the subject to nobody else, and the user has no other
    last_login_at INTEGER NOT NULL,
    UNIQUE (idp, subject)
) STRICT;
-- the providers of a user (login, explain, removal)
CREATE INDEX idp_user_user ON idp_user (user);

-- Logins that were sent to a provider, until it answers. Old ones go a few at a time with the next.
CREATE TABLE sso_login (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token      TEXT    NOT NULL UNIQUE,                         -- the CHALLENGE of the command line, and RelayState: 128 random bits
    idp        INTEGER NOT NULL REFERENCES idp (id) ON DELETE CASCADE,
    user       INTEGER REFERENCES user (id) ON DELETE CASCADE,  -- for whom it was begun, where that was said and is known
    login_hash BLOB,                                            -- of the folded login as it was typed, where nobody has it
    request    TEXT    NOT NULL,                                -- id of the request that a response has to answer
    forced     INTEGER NOT NULL DEFAULT 0 CHECK (forced IN (0, 1)), -- 1: the provider has to have asked anew
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    closed_at  INTEGER,
    closed_as  TEXT    CHECK (closed_as IN ('answered', 'cancelled', 'void')),
    CHECK ((closed_at IS NULL) = (closed_as IS NULL)),
    CHECK (user IS NULL OR login_hash IS NULL)
) STRICT;
-- those that can be answered now (`login list`), and those that are long over
CREATE INDEX sso_login_expires ON sso_login (expires_at);
-- those of a user, and of a provider (removal)
CREATE INDEX sso_login_user ON sso_login (user) WHERE user IS NOT NULL;
CREATE INDEX sso_login_idp ON sso_login (idp);

-- Assertions that counted, for as long as they could count again.
CREATE TABLE sso_assertion (
    idp      INTEGER NOT NULL REFERENCES idp (id) ON DELETE CASCADE,
    id_hash  BLOB    NOT NULL,                                  -- of its id: SHA-256, not keyed, so that new keys bring nothing back to life
    until_at INTEGER NOT NULL,                                  -- from this second on it has expired, and is refused for that
    PRIMARY KEY (idp, id_hash)
) STRICT, WITHOUT ROWID;
-- those that are over
CREATE INDEX sso_assertion_until ON sso_assertion (until_at);

-- System settings that differ from their default. What can be set is the catalogue in src/setting/catalogue.rs.
CREATE TABLE setting (
    code     TEXT    PRIMARY KEY NOT NULL,
    number   INTEGER,                                           -- bool (0 or 1) and int, in the setting's own unit
    text     TEXT,
    mailbox  INTEGER REFERENCES mailbox (id),                   -- a setting that points at a thing is a reference
    provider INTEGER REFERENCES sms_provider (id),
    template INTEGER REFERENCES template (id),
    idp      INTEGER REFERENCES idp (id),
    CHECK ((number IS NOT NULL) + (text IS NOT NULL) + (mailbox IS NOT NULL) + (provider IS NOT NULL)
           + (template IS NOT NULL) + (idp IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
-- the settings that use a mailbox, a provider, a template or an identity provider (removal)
CREATE INDEX setting_mailbox ON setting (mailbox) WHERE mailbox IS NOT NULL;
CREATE INDEX setting_provider ON setting (provider) WHERE provider IS NOT NULL;
CREATE INDEX setting_template ON setting (template) WHERE template IS NOT NULL;
CREATE INDEX setting_idp ON setting (idp) WHERE idp IS NOT NULL;

-- Connected authenticator apps.
CREATE TABLE authenticator (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    user              INTEGER NOT NULL UNIQUE REFERENCES user (id) ON DELETE CASCADE,
    secret            BLOB    NOT NULL,                         -- sealed
    fingerprint       BLOB    NOT NULL,                         -- keyed hash of the secret: one for equal secrets, and without the key file it says nothing
    algorithm         TEXT    NOT NULL CHECK (algorithm IN ('SHA1', 'SHA256', 'SHA512')),
    digits            INTEGER NOT NULL CHECK (digits BETWEEN 6 AND 8),
    period            INTEGER NOT NULL CHECK (period BETWEEN 1 AND 3600), -- seconds a code lives
    consumed_until_at INTEGER NOT NULL,                         -- the second at which the last consumed step ends; never lowered
    connected_at      INTEGER NOT NULL
) STRICT;
-- the apps that share a secret, and those of a known one (`doctor`)
CREATE INDEX authenticator_fingerprint ON authenticator (fingerprint);

-- Authenticator apps about to be connected: at most one for a user.
CREATE TABLE authenticator_setup (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user       INTEGER NOT NULL UNIQUE REFERENCES user (id) ON DELETE CASCADE,
    secret     BLOB    NOT NULL,                                -- sealed
    token_hash BLOB    NOT NULL,                                -- of the setup token
    failures   INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
-- those that are long over (the next set-up, `doctor`)
CREATE INDEX authenticator_setup_expires ON authenticator_setup (expires_at);

CREATE TABLE recovery_code (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user         INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    code_hash    BLOB    NOT NULL,
    generated_at INTEGER NOT NULL,                              -- the same for a whole set; a new set replaces the old one
    used_at      INTEGER,
    UNIQUE (user, code_hash)
) STRICT;
CREATE INDEX recovery_code_left ON recovery_code (user) WHERE used_at IS NULL;

-- Pending second-factor questions.
CREATE TABLE challenge (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    token           TEXT    NOT NULL UNIQUE,                    -- the CHALLENGE of the command line, 128 random bits
    user            INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    purpose         TEXT    NOT NULL CHECK (purpose IN ('login', 'enrolment', 'confirmation', 'password', 'recovery')),
    method          TEXT    NOT NULL REFERENCES method (code),
    binding         BLOB,                                       -- what exactly is confirmed (keyed hash of verb and changes)
    setup           INTEGER REFERENCES authenticator_setup (id) ON DELETE SET NULL, -- enrolment
    code_hash       BLOB,                                       -- the code sent by email or SMS, or the token of a recovery; NULL: an app or a recovery code is asked for
    accepted_at     INTEGER,                                    -- when the server took the code; before that it is not valid
    code_expires_at INTEGER,                                    -- accepted_at + SecondFactorCodeTTL
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    closed_at       INTEGER,
    closed_as       TEXT    CHECK (closed_as IN ('answered', 'cancelled', 'replaced', 'void', 'expired')), -- expired: nobody answered, and a later question closed it
    CHECK ((closed_at IS NULL) = (closed_as IS NULL))
) STRICT;
-- the questions of a user (`login list`, removal)
CREATE INDEX challenge_user ON challenge (user, expires_at);
-- the questions that can be answered now (`login list`, completion)
CREATE INDEX challenge_open ON challenge (expires_at) WHERE closed_at IS NULL;
-- the enrolment that waits for a set-up (when the set-up is replaced or confirmed)
CREATE INDEX challenge_setup ON challenge (setup) WHERE setup IS NOT NULL;

-- Requests to recover a password within the last hour, whoever they named: the limit knows no difference.
CREATE TABLE recovery_request (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    login_hash BLOB    NOT NULL,                                -- of the folded login or address as it was typed
    user       INTEGER REFERENCES user (id) ON DELETE CASCADE,  -- whom to mail a token, until that has begun
    created_at INTEGER NOT NULL
) STRICT;
-- the requests for one login (PasswordRecoveryLimit)
CREATE INDEX recovery_request_login ON recovery_request (login_hash, created_at);
-- those that are over
CREATE INDEX recovery_request_created ON recovery_request (created_at);
-- those of a user (removal)
CREATE INDEX recovery_request_user ON recovery_request (user) WHERE user IS NOT NULL;

-- Every message, with its outcome.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    challenge   INTEGER REFERENCES challenge (id) ON DELETE SET NULL,
    user        INTEGER REFERENCES user (id) ON DELETE SET NULL, -- NULL: a test message, or its user was removed
    login       TEXT,                                           -- of the user, when it was sent; NULL: a test message
    method      TEXT    NOT NULL REFERENCES method (code),
    recipient   TEXT    NOT NULL,
    template    TEXT,                                           -- the template's name when it was sent; NULL: a test message
    sender      TEXT    NOT NULL,                               -- the mailbox's or provider's name when it was sent
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'accepted', 'failed')),
    body        BLOB,                                           -- sealed: the words, as JSON; erased when accepted, failed or expired
    tries       INTEGER NOT NULL DEFAULT 0,
    receipt     TEXT,                                           -- what the server called it
    error       TEXT,                                           -- what the server or the system said
    created_at  INTEGER NOT NULL,
    closed_at   INTEGER,
    CHECK ((state = 'pending') = (closed_at IS NULL)),
    CHECK (state = 'pending' OR body IS NULL)
) STRICT;
-- sends of a user within the last hour (SecondFactorSendLimit)
CREATE INDEX outbox_user ON outbox (user, created_at);
-- the bodies still kept, to erase those that a killed command left
CREATE INDEX outbox_body ON outbox (created_at) WHERE body IS NOT NULL;
-- the messages of a challenge (removal)
CREATE INDEX outbox_challenge ON outbox (challenge) WHERE challenge IS NOT NULL;

-- Wrong passwords of logins nobody has. It makes an unknown login cost the same writes as a known one.
CREATE TABLE unknown_login (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    failures INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What happened. Each row's mac covers the row before it; `audit_head` finds a cut tail.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                                -- 1..n without gaps
    at      INTEGER NOT NULL,
    actor   TEXT,                                               -- login of the acting user; NULL: nobody the store knows
    os_user TEXT,                                               -- account of the machine that ran the command
    event   TEXT    NOT NULL,
    subject TEXT,                                               -- what the event is about, by the name it had then
    user    INTEGER,                                            -- id of the user it is about, if it is about one; survives a rename
    earlier INTEGER,                                            -- seq of the event before this one about the same user
    outcome TEXT    NOT NULL CHECK (outcome IN ('ok', 'denied', 'refused', 'failed')),
    reason  TEXT,                                               -- why it was decided so
    note    TEXT,                                               -- --reason of the command
    detail  TEXT,                                               -- JSON: old and new values; never a secret
    digest  BLOB    NOT NULL,                                   -- SHA-256 over the length-prefixed columns above
    mac     BLOB    NOT NULL,                                   -- HMAC(audit key, seq ‖ previous mac ‖ digest)
    "key"   INTEGER NOT NULL                                    -- data_key.id of the audit key
) STRICT;
-- the administrator actions that went unconfirmed of late (`status`)
CREATE INDEX audit_unconfirmed ON audit (at) WHERE event = 'confirmation.skipped';

-- A summary of 1024 rows that follow each other, so that a search leaves out those it cannot find anything in. What is
-- absent is read: a summary may go, and says nothing that the rows do not say.
CREATE TABLE audit_block (
    last     INTEGER PRIMARY KEY,                               -- seq of the last row: a multiple of 1024
    earliest INTEGER NOT NULL,                                  -- the least audit.at
    latest   INTEGER NOT NULL,                                  -- the greatest audit.at
    words    BLOB    NOT NULL                                   -- a Bloom filter: events, outcomes, actors and users of the rows
) STRICT;

CREATE TABLE audit_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),                   -- one row
    seq   INTEGER NOT NULL,                                     -- of the newest audit row
    mac   BLOB    NOT NULL,                                     -- of the newest audit row
    proof BLOB    NOT NULL,                                     -- HMAC(audit key, store id ‖ seq ‖ mac)
    "key" INTEGER NOT NULL
) STRICT;

-- Rows moved to an archive: the chain still verifies without them.
CREATE TABLE audit_tombstone (
    seq     INTEGER PRIMARY KEY,
    user    INTEGER,
    earlier INTEGER,
    digest  BLOB    NOT NULL,
    mac     BLOB    NOT NULL,
    "key"   INTEGER NOT NULL,
    archive TEXT    NOT NULL,
    proof   BLOB    NOT NULL
) STRICT;

-- Seed rows

INSERT INTO method (code, position, name) VALUES
    ('email',          1, 'Email'),
    ('sms',            2, 'SMS'),
    ('totp',           3, 'Authenticator app'),
    ('recovery-codes', 4, 'Recovery codes');

INSERT INTO template (name, name_key, kind) VALUES
    ('2FA verification code', '2fa verification code', 'email'),
    ('2FA SMS code',          '2fa sms code',          'sms'),
    ('Password recovery',     'password recovery',     'email');

INSERT INTO "group" (name, name_key, built_in, created_at) VALUES
    ('All employees',         'all employees',         'employees',      0),
    ('All external users',    'all external users',    'externals',      0),
    ('System administrators', 'system administrators', 'administrators', 0);

INSERT INTO operation (code, name) VALUES
    ('CanUse2FA',                     'Can use 2FA'),
    ('CanReset2FA',                   'Can disconnect 2FA authenticator app'),
    ('CanManageUsers',                'Can manage users'),
    ('CanManageLookups',              'Can manage lookups'),
    ('CanManageSysSettings',          'Can manage system settings'),
    ('CanChangeAdminOperationGrantee','Can change operation permissions'),
    ('CanViewSysOperationAudit',      'Can view audit log'),
    ('CanManageSysOperationAudit',    'Can manage audit log'),
    ('CanManageAdministration',       'Can manage administration');

INSERT INTO grantee (operation, position, "group", access)
    SELECT 'CanUse2FA', 1, id, 'allow' FROM "group" WHERE built_in = 'employees';
INSERT INTO grantee (operation, position, "group", access)
    SELECT 'CanUse2FA', 2, id, 'allow' FROM "group" WHERE built_in = 'externals';
INSERT INTO grantee (operation, position, "group", access)
    SELECT operation.code, 1, "group".id, 'allow'
    FROM operation, "group"
    WHERE operation.code <> 'CanUse2FA' AND built_in = 'administrators';

INSERT INTO unknown_login (id) VALUES (1);

-- Views for eyes

CREATE VIEW users AS
    SELECT login, name, email, phone, type, active,
           datetime(locked_until_at, 'unixepoch') AS locked_until,
           EXISTS (SELECT 1 FROM authenticator WHERE authenticator.user = user.id) AS authenticator,
           (SELECT count(*) FROM recovery_code WHERE recovery_code.user = user.id AND used_at IS NULL) AS recovery_codes_left,
           datetime(last_login_at, 'unixepoch') AS last_login
    FROM user ORDER BY login;

CREATE VIEW permissions AS
    SELECT operation, position, access, login AS user, "group".name AS "group",
           datetime(until_at, 'unixepoch') AS until
    FROM grantee LEFT JOIN user ON user.id = grantee.user LEFT JOIN "group" ON "group".id = grantee."group"
    ORDER BY operation, position;

CREATE VIEW settings AS
    SELECT code, coalesce(number, text, mailbox.name, sms_provider.name, template.name, idp.name) AS value
    FROM setting LEFT JOIN mailbox ON mailbox.id = setting.mailbox
         LEFT JOIN sms_provider ON sms_provider.id = setting.provider
         LEFT JOIN template ON template.id = setting.template
         LEFT JOIN idp ON idp.id = setting.idp
    ORDER BY code;

CREATE VIEW messages AS
    SELECT datetime(outbox.created_at, 'unixepoch') AS sent, coalesce(user.login, outbox.login) AS user, method, recipient, sender, state, receipt, error
    FROM outbox LEFT JOIN user ON user.id = outbox.user ORDER BY outbox.id DESC;

CREATE VIEW events AS
    SELECT seq, datetime(at, 'unixepoch') AS at, actor, os_user, event, subject, outcome, reason, note, detail
    FROM audit ORDER BY seq DESC;
