//! The message centres of a test, which speak SMPP 3.4: one on npm's `smpp`, one on Perl's `Net::SMPP`, and Kannel's own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::scripted::Scripted;
use crate::{peer, succeeds};

/// The `system_id` and password that a centre takes.
pub const LOGIN: (&str, &str) = ("ops", "sms-pw");

/// A running centre; it ends when this goes.
pub struct Centre {
    script: Scripted,
    pub port: u16,
}

impl Centre {
    /// Starts one of each kind, which write what they get into a directory each below `into`, with these further
    /// options of `smsc.js` and `smsc.pl`.
    pub fn each(into: &Path, options: &[&str]) -> [Centre; 2] {
        [
            Centre::node(&into.join("node"), options),
            Centre::perl(&into.join("perl"), options),
        ]
    }

    /// Starts the one on npm's `smpp`, which knows TLS as well.
    pub fn node(into: &Path, options: &[&str]) -> Centre {
        let node = peer("node", "apt-get install nodejs");
        let npm = peer("npm", "apt-get install npm");
        let modules = succeeds(Command::new(npm).args(["root", "--global"]));
        let command = || {
            let mut command = Command::new(&node);
            command.env("NODE_PATH", modules.trim());
            command
        };
        there(
            command().args(["-e", "require('smpp')"]),
            "npm install --global smpp@0.5.1",
        );
        Centre::start(&mut command(), "smsc.js", into, options)
    }

    /// Starts the one on Perl's `Net::SMPP`.
    pub fn perl(into: &Path, options: &[&str]) -> Centre {
        let perl = peer("perl", "apt-get install perl");
        there(
            Command::new(&perl).args(["-MNet::SMPP", "-e1"]),
            "apt-get install libnet-smpp-perl",
        );
        Centre::start(&mut Command::new(perl), "smsc.pl", into, options)
    }

    fn start(command: &mut Command, script: &str, into: &Path, options: &[&str]) -> Centre {
        let login = ["--system-id", LOGIN.0, "--password", LOGIN.1];
        let options = [&login, options].concat();
        let script = Scripted::start(command, script, into, &options);
        Centre {
            port: script.port,
            script,
        }
    }

    /// The messages it took, oldest first: `from`, `to`, `text`, `data_coding`, `parts` and more.
    pub fn messages(&self) -> Vec<serde_json::Value> {
        self.script.documents()
    }

    /// The last message it took.
    #[track_caller]
    pub fn last(&self) -> serde_json::Value {
        self.messages().pop().expect("a message has arrived")
    }
}

/// Fails loudly when a module is not installed.
#[track_caller]
fn there(command: &mut Command, how: &str) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "this test needs a peer that `{}` does not find: {how}, or run .ci/run\n{}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where Debian puts the centre that Kannel tests itself with.
const KANNEL: &str = "/usr/lib/kannel/test/drive_smpp";

/// Kannel's centre: it takes everything from everybody, for one session, and keeps a log.
pub struct Kannel {
    child: Child,
    log: PathBuf,
    pub port: u16,
}

impl Kannel {
    /// Starts one that writes its log to `log`.
    pub fn start(log: &Path) -> Kannel {
        assert!(
            Path::new(KANNEL).is_file(),
            "this test needs the peer `{KANNEL}`, which is not installed: apt-get install kannel-extras, or run .ci/run"
        );
        // It takes no port 0: one that is free now will be free in a moment.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let child = Command::new(KANNEL)
            .args(["-v", "0", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        let kannel = Kannel {
            child,
            log: log.to_owned(),
            port,
        };
        // A connection to see whether it listens would be its one session.
        let wanted = format!(":{port:04X} 00000000:0000 0A");
        for _ in 0..200 {
            if std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&wanted)) {
                return kannel;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "another program takes its time to start"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Kannel did not start: {}", kannel.log());
    }

    /// What it heard and thought of it.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Kannel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
