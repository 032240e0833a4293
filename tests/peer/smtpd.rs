//! The SMTP server of a test: aiosmtpd, with a certificate of a CA that the test makes.

use std::path::Path;
use std::process::Command;

use crate::scripted::Scripted;
use crate::{peer, succeeds};

/// The name and password that the server takes.
pub const LOGIN: (&str, &str) = ("ops", "mail-pw");

/// A running server; it ends when this goes.
pub struct Server {
    script: Scripted,
    pub port: u16,
}

impl Server {
    /// Starts one that writes what it gets into `into`, with these further options of `smtpd.py`.
    pub fn start(into: &Path, options: &[&str]) -> Server {
        let python = peer("python3", "apt-get install python3");
        let here = Command::new(&python)
            .args(["-c", "import aiosmtpd.smtp"])
            .output()
            .unwrap();
        assert!(
            here.status.success(),
            "this test needs the peer `aiosmtpd`, which {} does not find: pip install aiosmtpd, or run .ci/run\n{}",
            python.display(),
            String::from_utf8_lossy(&here.stderr)
        );
        let mut python = Command::new(python);
        let script = Scripted::start(&mut python, "smtpd.py", into, options);
        Server {
            port: script.port,
            script,
        }
    }

    /// The messages it took, oldest first.
    pub fn messages(&self) -> Vec<String> {
        self.script.files("eml")
    }

    /// The last message it took.
    #[track_caller]
    pub fn last(&self) -> String {
        self.messages().pop().expect("a message has arrived")
    }
}

/// The code in a message.
#[track_caller]
pub fn code(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap_or_else(|| panic!("no code in the message:\n{message}"))
        .to_owned()
}

/// A CA `NAME.ca.pem` and, signed by it, a certificate `NAME.pem` with its key `NAME.key` for `subject`
/// (`IP:127.0.0.1` or `DNS:host`).
pub fn certificate(directory: &Path, name: &str, subject: &str) {
    let openssl = peer("openssl", "apt-get install openssl");
    let run = |line: String| {
        succeeds(
            Command::new(&openssl)
                .args(line.split(' '))
                .current_dir(directory),
        )
    };
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(format!(
        "req -x509 {new} -days 2 -subj /CN={name}-ca -keyout {name}.ca.key -out {name}.ca.pem"
    ));
    run(format!(
        "req {new} -subj /CN={name} -keyout {name}.key -out {name}.csr"
    ));
    let extensions = format!("subjectAltName={subject}\nbasicConstraints=CA:FALSE\n");
    std::fs::write(directory.join(format!("{name}.ext")), extensions).unwrap();
    run(format!(
        "x509 -req -in {name}.csr -CA {name}.ca.pem -CAkey {name}.ca.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.pem"
    ));
}
