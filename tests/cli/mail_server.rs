//! A mail server of a test: in this process, and as good or bad as the test wants it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use crate::world::Done;

/// A server on this machine that behaves as `behave` says.
pub struct Server {
    pub port: u16,
    pub thread: JoinHandle<String>,
}

impl Server {
    /// One that takes a single connection.
    pub fn new(behave: impl Fn(TcpStream) -> String + Send + 'static) -> Server {
        Server::of(1, behave)
    }

    /// One that takes so many connections, one after another; returns what all of them came to.
    pub fn of(times: usize, behave: impl Fn(TcpStream) -> String + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            (0..times)
                .map(|_| behave(listener.accept().unwrap().0))
                .collect()
        });
        Server { port, thread }
    }

    /// Answers each command as `answer` says, from the greeting on; returns what the client said.
    pub fn answering(answer: impl Fn(&str) -> Option<&'static str> + Send + 'static) -> Server {
        Server::answering_of(1, answer)
    }

    pub fn answering_of(
        times: usize,
        answer: impl Fn(&str) -> Option<&'static str> + Send + 'static,
    ) -> Server {
        Server::of(times, move |stream| {
            let mut writer = stream.try_clone().unwrap();
            let mut heard = String::new();
            let mut lines = BufReader::new(stream).lines();
            let mut said = answer("");
            while let Some(text) = said {
                if writer.write_all(text.as_bytes()).is_err() {
                    break;
                }
                let mut letter = text.starts_with("354");
                said = None;
                while let Some(Ok(line)) = lines.next() {
                    heard.push_str(&line);
                    heard.push('\n');
                    if letter && line != "." {
                        continue;
                    }
                    letter = false;
                    said = answer(&line);
                    break;
                }
            }
            heard
        })
    }

    /// The port is another one each time.
    pub fn redact(&self, done: &mut Done) {
        let port = self.port.to_string();
        for text in [&mut done.line, &mut done.stdout, &mut done.stderr] {
            *text = text.replace(&port, "[PORT]");
        }
    }
}

/// A well-behaved server, but for what `refuse` begins with.
pub fn polite(refuse: &'static str, with: &'static str) -> Server {
    polite_of(1, refuse, with)
}

pub fn polite_of(times: usize, refuse: &'static str, with: &'static str) -> Server {
    Server::answering_of(times, move |line| {
        if !refuse.is_empty() && line.starts_with(refuse) {
            return Some(with);
        }
        Some(match line.split([' ', ':']).next().unwrap_or_default() {
            "" => "220 test ESMTP\r\n",
            "EHLO" => "250-test\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" => "235 2.7.0 welcome\r\n",
            "DATA" => "354 go on\r\n",
            "." => "250 2.0.0 queued as 4F2A\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 2.1.0 fine\r\n",
        })
    })
}
