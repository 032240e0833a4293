//! The SMS provider over HTTP of a test: `httpd.py`.

use std::path::Path;
use std::process::Command;

use crate::peer;
use crate::scripted::Scripted;

/// The account and token that the provider takes.
pub const LOGIN: (&str, &str) = ("AC0123456789abcdef", "hush-hush-token");

/// A running provider; it ends when this goes.
pub struct Provider {
    script: Scripted,
    pub port: u16,
}

impl Provider {
    /// Starts one that writes what it gets into `into`, with these further options of `httpd.py`.
    pub fn start(into: &Path, options: &[&str]) -> Provider {
        let options = [&["--token", LOGIN.1], options].concat();
        let mut python = Command::new(peer("python3", "apt-get install python3"));
        let script = Scripted::start(&mut python, "httpd.py", into, &options);
        Provider {
            port: script.port,
            script,
        }
    }

    /// The requests that brought messages, oldest first.
    pub fn messages(&self) -> Vec<serde_json::Value> {
        self.script.documents()
    }

    /// The last of them.
    #[track_caller]
    pub fn last(&self) -> serde_json::Value {
        self.messages().pop().expect("a message has arrived")
    }
}
