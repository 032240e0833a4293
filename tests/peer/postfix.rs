//! The Postfix of a test: an instance of its own in a directory of its own, which knows example.com and sends nothing on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::machine::{Account, NOBODY};
use crate::peer;
use crate::smtpd::LOGIN;
use crate::world::World;

/// Who gets mail at example.com, and the directory it comes to.
const RECIPIENTS: &str = "{ alice@example.com = alice/ } { zoë@example.com = zoë/ }";

/// Whom Postfix puts off, whatever the time.
const LATER: &str = "{ later@example.com = 450 4.2.1 the mailbox is busy }";

/// Starts it, says so, and ends it when standard input closes, which it also does when the test is killed.
const SCRIPT: &str = r#"
trap : HUP INT TERM
"$1" -c "$2" start </dev/null || exit
echo started
cat >/dev/null
"$1" -c "$2" stop
"#;

/// A running Postfix; it ends when this goes.
pub struct Postfix {
    script: Child,
    directory: TempDir,
    /// Wants STARTTLS, then a login.
    pub submission: u16,
    /// TLS from the first byte, and wants a login.
    pub smtps: u16,
    /// Takes mail for example.com from everybody, as the servers of other domains bring it.
    pub mx: u16,
}

impl Postfix {
    /// Starts one that listens at `host`, with the certificate `good.pem` of the world.
    pub fn start(world: &World, host: &str) -> Postfix {
        // Between asking for free ports and taking them somebody else may have taken one.
        for _ in 0..2 {
            if let Ok(postfix) = Postfix::try_start(world, host) {
                return postfix;
            }
        }
        Postfix::try_start(world, host)
            .unwrap_or_else(|log| panic!("Postfix did not start:\n{log}"))
    }

    fn try_start(world: &World, host: &str) -> Result<Postfix, String> {
        let program = peer("postfix", "apt-get install postfix");
        assert!(
            geteuid().is_root(),
            "this test must run as root: Postfix becomes other accounts"
        );
        let directory = TempDir::new().unwrap();
        let base = directory.path();
        assert!(
            !base.display().to_string().contains(' '),
            "Postfix takes no paths with blanks: {}",
            base.display()
        );
        std::fs::set_permissions(base, std::fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["etc", "etc/sasl", "queue", "data", "mail"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        let (owner, _) = Account("postfix").ids();
        chown(base.join("data"), Some(owner), None).unwrap();
        chown(base.join("mail"), Some(NOBODY.ids().0), None).unwrap();
        logins(base, owner);

        let free = || TcpListener::bind((host, 0)).unwrap();
        // All at once, or they would be the same.
        let [submission, smtps, mx] =
            [free(), free(), free()].map(|listener| listener.local_addr().unwrap().port());
        std::fs::write(base.join("etc/main.cf"), main_cf(world, base, host)).unwrap();
        std::fs::write(
            base.join("etc/master.cf"),
            master_cf(host, submission, smtps, mx),
        )
        .unwrap();

        let mut script = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(program)
            .arg(base.join("etc"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(base.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(script.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        let postfix = Postfix {
            script,
            directory,
            submission,
            smtps,
            mx,
        };
        if said == "started\n" {
            Ok(postfix)
        } else {
            Err(postfix.log())
        }
    }

    /// Ends it.
    pub fn stop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }

    /// The message that came to a recipient; there must be one, and it is there no longer.
    #[track_caller]
    pub fn received(&self, recipient: &str) -> String {
        let new = self.directory.path().join(format!("mail/{recipient}/new"));
        // Postfix answers once a message is in its queue, and delivers it after.
        let mut files = Vec::new();
        let came = within(|| {
            files = inside(new.clone());
            !files.is_empty()
        });
        assert!(came, "no message came to {recipient}:\n{}", self.log());
        let [file] = files.as_slice() else {
            panic!("more than one message: {files:?}")
        };
        let message = std::fs::read_to_string(file).unwrap();
        std::fs::remove_file(file).unwrap();
        message
    }

    /// Nothing is on its way any more, and nothing came but what was asked for.
    #[track_caller]
    pub fn is_done(&self) {
        let mut left = Vec::new();
        // A message that was delivered leaves the queue a moment later.
        let done = within(|| {
            left = [
                "queue/maildrop",
                "queue/hold",
                "queue/incoming",
                "queue/active",
                "queue/deferred",
                "mail",
            ]
            .map(|name| inside(self.directory.path().join(name)))
            .concat();
            left.is_empty()
        });
        assert!(done, "left: {left:?}\n{}", self.log());
    }

    /// It writes, or has written, these words into its log, so often.
    #[track_caller]
    pub fn logs(&self, words: &str, times: usize) {
        let logged = within(|| self.log().matches(words).count() == times);
        assert!(logged, "not {times} times `{words}`:\n{}", self.log());
    }

    /// What it wrote into its log.
    fn log(&self) -> String {
        let mut log = String::new();
        for name in ["stderr", "log"] {
            if let Ok(mut file) = std::fs::File::open(self.directory.path().join(name)) {
                file.read_to_string(&mut log).unwrap();
            }
        }
        log
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether it is so within ten seconds.
fn within(mut so: impl FnMut() -> bool) -> bool {
    for _ in 0..200 {
        if so() {
            return true;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "Postfix lives by the machine's clock"
        )]
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// The files below a directory, which need not be there yet.
fn inside(directory: PathBuf) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            let into = if path.is_dir() { &mut open } else { &mut files };
            into.push(path);
        }
    }
    files
}

/// The login that it takes, as Cyrus SASL keeps one. Debian's Postfix looks for it in `sasl` beside its `main.cf`, whatever
/// that says.
fn logins(base: &Path, owner: u32) {
    let database = base.join("etc/sasl/sasldb2");
    let program = peer("saslpasswd2", "apt-get install sasl2-bin libsasl2-modules");
    let mut child = Command::new(program)
        .args(["-c", "-p", "-u", "example.com", "-f"])
        .arg(&database)
        .arg(LOGIN.0)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(LOGIN.1.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "saslpasswd2");
    chown(&database, Some(owner), None).unwrap();
    std::fs::write(
        base.join("etc/sasl/smtpd.conf"),
        format!(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\nmech_list: PLAIN LOGIN\n",
            database.display()
        ),
    )
    .unwrap();
}

fn main_cf(world: &World, base: &Path, host: &str) -> String {
    let (uid, gid) = NOBODY.ids();
    let (base, world) = (base.display(), world.path().display());
    format!(
        "compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
maillog_file = {base}/log
maillog_file_prefixes = {base}

myhostname = peer.example.com
inet_interfaces = {host}
inet_protocols = all
smtpd_peername_lookup = no
mynetworks =
mydestination =
alias_maps =
alias_database =
default_transport = error:nothing leaves this machine
relay_transport = error:nothing leaves this machine
smtputf8_enable = yes

virtual_mailbox_domains = example.com
virtual_mailbox_base = {base}/mail
virtual_mailbox_maps = inline:{{ {RECIPIENTS} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}

smtpd_tls_cert_file = {world}/good.pem
smtpd_tls_key_file = {world}/good.key
smtpd_tls_received_header = yes
smtpd_sasl_local_domain = example.com
cyrus_sasl_config_path = {base}/etc/sasl
smtpd_error_sleep_time = 0
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ {LATER} }}
"
    )
}

/// As Debian has it, without what is not needed, and nothing in a chroot.
fn master_cf(host: &str, submission: u16, smtps: u16, mx: u16) -> String {
    let login = "-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
 -o smtpd_relay_restrictions=permit_sasl_authenticated,reject";
    format!(
        "[{host}]:{submission} inet n - n - - smtpd {login}
[{host}]:{smtps} inet n - n - - smtpd {login} -o smtpd_tls_wrappermode=yes
[{host}]:{mx} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
    )
}
