//! A server that is a script beside this file: it prints its port, writes what it gets into a directory, one numbered file a
//! message, and ends with its test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::repository;

/// A running script.
pub struct Scripted {
    child: Child,
    into: PathBuf,
    pub port: u16,
}

impl Scripted {
    /// Runs `script` by `command`, its interpreter.
    pub fn start(command: &mut Command, script: &str, into: &Path, options: &[&str]) -> Scripted {
        std::fs::create_dir_all(into).unwrap();
        let mut child = command
            .arg(repository("tests/peer").join(script))
            .arg("--into")
            .arg(into)
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
        Scripted {
            port: port.trim().parse().unwrap_or_else(|_| {
                let log = std::fs::read_to_string(into.join("log"));
                panic!("{script} did not start: {}", log.unwrap_or_default())
            }),
            into: into.to_owned(),
            child,
        }
    }

    /// What it got, oldest first.
    pub fn files(&self, extension: &str) -> Vec<String> {
        (1..1000)
            .map(|count| self.into.join(format!("{count}.{extension}")))
            .take_while(|file| file.is_file())
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect()
    }

    /// The same, where each is a document.
    pub fn documents(&self) -> Vec<serde_json::Value> {
        self.files("json")
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
