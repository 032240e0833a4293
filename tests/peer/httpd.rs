//! The SMS provider over HTTP of a test: `httpd.py`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{peer, repository};

/// The account and token that the provider takes.
pub const LOGIN: (&str, &str) = ("AC0123456789abcdef", "hush-hush-token");

/// A running provider; it ends when this goes.
pub struct Provider {
    child: Child,
    into: PathBuf,
    pub port: u16,
}

impl Provider {
    /// Starts one that writes what it gets into `into`, with these further options of `httpd.py`.
    pub fn start(into: &Path, options: &[&str]) -> Provider {
        std::fs::create_dir_all(into).unwrap();
        let mut child = Command::new(peer("python3", "apt-get install python3"))
            .arg(repository("tests/peer/httpd.py"))
            .arg("--into")
            .arg(into)
            .args(["--token", LOGIN.1])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its tracebacks about broken handshakes are what the tests provoke.
            .stderr(std::fs::File::create(into.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Provider {
            port: port.trim().parse().unwrap_or_else(|_| {
                let log = std::fs::read_to_string(into.join("log"));
                panic!("the provider did not start: {}", log.unwrap_or_default())
            }),
            into: into.to_owned(),
            child,
        }
    }

    /// The requests that brought messages, oldest first.
    pub fn messages(&self) -> Vec<serde_json::Value> {
        (1..1000)
            .map(|count| self.into.join(format!("{count}.json")))
            .take_while(|file| file.is_file())
            .map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
            .collect()
    }

    /// The last of them.
    #[track_caller]
    pub fn last(&self) -> serde_json::Value {
        self.messages().pop().expect("a message has arrived")
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
