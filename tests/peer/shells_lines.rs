//! What every shell must do: keys that are typed, and the words of the line that they make.
//!
//! `CHALL` stands for the beginning of an open challenge, `CHALLENGE` for the whole, `HOME` for the home directory, and ← for one step
//! of the cursor to the left.

pub const LINES: &[(&str, &str)] = &[
    ("twofa us\t", "<twofa><user>"),
    ("twofa user sh\t", "<twofa><user><show>"),
    (
        "twofa user show alice@ex\t",
        "<twofa><user><show><alice@example.org>",
    ),
    (
        "twofa user show ali\t",
        "<twofa><user><show><alice@example.org>",
    ),
    (
        "twofa mailbox show it:o\t",
        "<twofa><mailbox><show><it:ops>",
    ),
    ("twofa user show zo\t", "<twofa><user><show><zoë>"),
    ("twofa user show ün\t", "<twofa><user><show><ünal>"),
    // In any case.
    ("twofa user show BO\t", "<twofa><user><show><bob>"),
    // One word, though there is a space in it, or what a shell reads as its own.
    ("twofa user show Car\t", "<twofa><user><show><Carol Adams>"),
    ("twofa user show 'Car\t", "<twofa><user><show><Carol Adams>"),
    (
        "twofa user show \"Carol A\t",
        "<twofa><user><show><Carol Adams>",
    ),
    (
        "twofa user show Carol\\ A\t",
        "<twofa><user><show><Carol Adams>",
    ),
    ("twofa user show o\t", "<twofa><user><show><o'brien>"),
    ("twofa user show o\\'\t", "<twofa><user><show><o'brien>"),
    ("twofa user show \"o'\t", "<twofa><user><show><o'brien>"),
    ("twofa user show eq\t", "<twofa><user><show><eq=ual>"),
    ("twofa user show eq=\t", "<twofa><user><show><eq=ual>"),
    ("twofa group show co\t", "<twofa><group><show><co:lon>"),
    ("twofa group show co:l\t", "<twofa><group><show><co:lon>"),
    ("twofa user show cas\t", "<twofa><user><show><cash$>"),
    ("twofa user show 'cas\t", "<twofa><user><show><cash$>"),
    ("twofa user show say\t", "<twofa><user><show><say \"hi\">"),
    ("twofa user show 'say\t", "<twofa><user><show><say \"hi\">"),
    ("twofa user show back\t", "<twofa><user><show><back\\slash>"),
    ("twofa user show semi\t", "<twofa><user><show><semi;colon>"),
    ("twofa user show sta\t", "<twofa><user><show><sta*r>"),
    ("twofa user show par\t", "<twofa><user><show><paren(s)>"),
    (
        "twofa user list --group=Sys\t",
        "<twofa><user><list><--group=System administrators>",
    ),
    // A directory is gone into, without a space after it.
    ("twofa --db=su\tinn\t", "<twofa><--db=sub/inner.db>"),
    ("twofa --db su\tinn\t", "<twofa><--db><sub/inner.db>"),
    ("twofa --db=/usr/bi\t", "<twofa><--db=/usr/bin/>"),
    ("twofa --db=dir\t", "<twofa><--db=dir with space/>"),
    (
        "twofa --db=dir\tst\t",
        "<twofa><--db=dir with space/store.db>",
    ),
    (
        "twofa --db dir\tst\t",
        "<twofa><--db><dir with space/store.db>",
    ),
    ("twofa --db ~/ot\t", "<twofa><--db><HOME/other.db>"),
    // Another store on the same line, wherever it stands.
    (
        "twofa user show --db=other.db er\t",
        "<twofa><user><show><--db=other.db><erika>",
    ),
    (
        "twofa --db other.db user show er\t",
        "<twofa><--db><other.db><user><show><erika>",
    ),
    (
        "twofa --db ~/other.db user show er\t",
        "<twofa><--db><HOME/other.db><user><show><erika>",
    ),
    (
        "twofa --db=dir\\ with\\ space/store.db user show er\t",
        "<twofa><--db=dir with space/store.db><user><show><erika>",
    ),
    (
        "twofa --db 'dir with space/store.db' user show er\t",
        "<twofa><--db><dir with space/store.db><user><show><erika>",
    ),
    ("twofa --db=oth\t", "<twofa><--db=other.db>"),
    ("twofa --db oth\t", "<twofa><--db><other.db>"),
    (
        "twofa --db=oth\t user show er\t",
        "<twofa><--db=other.db><user><show><erika>",
    ),
    // In the middle of a line.
    ("twofa us show bob←←←←←←←←←\t", "<twofa><user><show><bob>"),
    // Every noun, and what its arguments are.
    ("twofa init --owner roo\t", "<twofa><init><--owner><root>"),
    ("twofa statu\t", "<twofa><status>"),
    ("twofa lookup sh\t", "<twofa><lookup><show>"),
    ("twofa lookup show to\t", "<twofa><lookup><show><totp>"),
    ("twofa method enable to\t", "<twofa><method><enable><totp>"),
    (
        "twofa setting set Enable2FA t\t",
        "<twofa><setting><set><Enable2FA><true>",
    ),
    (
        "twofa setting set 2fam\t",
        "<twofa><setting><set><2FAmailbox>",
    ),
    (
        "twofa setting set 2FAmailbox tr\t",
        "<twofa><setting><set><2FAmailbox><trial>",
    ),
    (
        "twofa setting set 2FAmailbox it\t",
        "<twofa><setting><set><2FAmailbox><it:ops>",
    ),
    (
        "twofa setting set TotpIssuer Ex\t",
        "<twofa><setting><set><TotpIssuer><Example Ltd>",
    ),
    (
        "twofa setting set SecondFactorCodeTTL 6\t",
        "<twofa><setting><set><SecondFactorCodeTTL><60>",
    ),
    (
        "twofa setting set Enable2FA true TotpI\t",
        "<twofa><setting><set><Enable2FA><true><TotpIssuer>",
    ),
    (
        "twofa setting get smsp\t",
        "<twofa><setting><get><SmsProvider>",
    ),
    (
        "twofa user list --without rec\t",
        "<twofa><user><list><--without><recovery-codes>",
    ),
    (
        "twofa user list --without=rec\t",
        "<twofa><user><list><--without=recovery-codes>",
    ),
    (
        "twofa user add dave --type ext\t",
        "<twofa><user><add><dave><--type><external>",
    ),
    (
        "twofa user add dave --language d\t",
        "<twofa><user><add><dave><--language><de>",
    ),
    (
        "twofa user edit bob --os-user roo\t",
        "<twofa><user><edit><bob><--os-user><root>",
    ),
    (
        "twofa user import peo\t--map ui\tlog\t",
        "<twofa><user><import><people.csv><--map><uid=login>",
    ),
    (
        "twofa user import people.csv --on-conflict up\t",
        "<twofa><user><import><people.csv><--on-conflict><update>",
    ),
    (
        "twofa group show nig\t",
        "<twofa><group><show><Night shift>",
    ),
    (
        "twofa group remove-member Helpdesk --user b\t",
        "<twofa><group><remove-member><Helpdesk><--user><bob>",
    ),
    (
        "twofa group remove-member Robots --group \t",
        "<twofa><group><remove-member><Robots><--group><Night shift>",
    ),
    (
        "twofa permission grant canres\t",
        "<twofa><permission><grant><CanReset2FA>",
    ),
    (
        "twofa permission move CanReset2FA --group He\t",
        "<twofa><permission><move><CanReset2FA><--group><Helpdesk>",
    ),
    (
        "twofa permission grant CanReset2FA --user bob --until 'in 7\t",
        "<twofa><permission><grant><CanReset2FA><--user><bob><--until><in 7d>",
    ),
    (
        "twofa permission check CanUse2FA bo\t",
        "<twofa><permission><check><CanUse2FA><bob>",
    ),
    (
        "twofa authenticator show al\t",
        "<twofa><authenticator><show><albert>",
    ),
    (
        "twofa authenticator connect bo\t",
        "<twofa><authenticator><connect><bob>",
    ),
    (
        "twofa authenticator connect bob --qr sv\t",
        "<twofa><authenticator><connect><bob><--qr><svg>",
    ),
    (
        "twofa recovery-codes sh\tb\t",
        "<twofa><recovery-codes><show><bob>",
    ),
    ("twofa password set bo\t", "<twofa><password><set><bob>"),
    (
        "twofa password set bob --password-file peo\t",
        "<twofa><password><set><bob><--password-file><people.csv>",
    ),
    ("twofa mailbox show tr\t", "<twofa><mailbox><show><trial>"),
    (
        "twofa mailbox edit trial --tls start\t",
        "<twofa><mailbox><edit><trial><--tls><starttls>",
    ),
    (
        "twofa sms-provider test te\t",
        "<twofa><sms-provider><test><text>",
    ),
    (
        "twofa template show Pas\t",
        "<twofa><template><show><Password recovery>",
    ),
    (
        "twofa template show '2FA SMS code' --language d\t",
        "<twofa><template><show><2FA SMS code><--language><de>",
    ),
    (
        "twofa template preview Password\\ re\t--user bo\t",
        "<twofa><template><preview><Password recovery><--user><bob>",
    ),
    (
        "twofa outbox list --state fail\t",
        "<twofa><outbox><list><--state><failed>",
    ),
    (
        "twofa outbox list --since 30\t",
        "<twofa><outbox><list><--since><30d ago>",
    ),
    ("twofa outbox show 1\t", "<twofa><outbox><show><1>"),
    ("twofa login start bo\t", "<twofa><login><start><bob>"),
    (
        "twofa login verify CHALL\t",
        "<twofa><login><verify><CHALLENGE>",
    ),
    (
        "twofa login explain bob --channel fo\t",
        "<twofa><login><explain><bob><--channel><forms>",
    ),
    (
        "twofa login explain bob --at in\\ 30\t",
        "<twofa><login><explain><bob><--at><in 30d>",
    ),
    ("twofa apply pol\t", "<twofa><apply><policy.toml>"),
    (
        "twofa diff pol\t--only perm\t",
        "<twofa><diff><policy.toml><--only><permission>",
    ),
    (
        "twofa export --only=sett\t",
        "<twofa><export><--only=setting>",
    ),
    (
        "twofa audit list --event user.unl\t",
        "<twofa><audit><list><--event><user.unlocked>",
    ),
    (
        "twofa audit list --outcome den\t",
        "<twofa><audit><list><--outcome><denied>",
    ),
    ("twofa audit show 12\t", "<twofa><audit><show><12>"),
    ("twofa key ch\t", "<twofa><key><check>"),
    ("twofa completions fi\t", "<twofa><completions><fish>"),
    ("twofa man user unl\t", "<twofa><man><user><unlock>"),
    ("twofa man --out su\t", "<twofa><man><--out><sub/>"),
    ("twofa help exit\t", "<twofa><help><exit-codes>"),
    ("twofa --as bo\t", "<twofa><--as><bob>"),
    ("twofa -o nd\t", "<twofa><-o><ndjson>"),
    ("twofa --output=nd\t", "<twofa><--output=ndjson>"),
    ("twofa --wait 5\t", "<twofa><--wait><5m>"),
    (
        "twofa --confirm-challenge CHALL\t",
        "<twofa><--confirm-challenge><CHALLENGE>",
    ),
    // Nothing to offer: the word stays as it is.
    ("twofa user show nobody\t", "<twofa><user><show><nobody>"),
    (
        "twofa user show bob --reason wh\t",
        "<twofa><user><show><bob><--reason><wh>",
    ),
];

/// What stands behind the cursor names the store; to a completion fish does not tell of it.
pub const BEHIND: &[(&str, &str)] = &[
    (
        "twofa user show er --db=other.db←←←←←←←←←←←←←←\t",
        "<twofa><user><show><erika><--db=other.db>",
    ),
    (
        "twofa user show er --db other.db←←←←←←←←←←←←←←\t",
        "<twofa><user><show><erika><--db><other.db>",
    ),
];
