//! A conversation with a server: who says what, in which order, and for how long it may go on.
//!
//! It runs in a thread of its own. Every line is heard while it is said, so that `mailbox test` shows how far it came;
//! whoever says a line leaves the secrets out of it. What promises an end is [`converse`]: a name server that hangs, or a
//! server that answers drop by drop, costs the deadline and no more.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Failure;
use crate::sms_provider::http::Mask;

pub(super) use crate::sms_provider::http::MASKED;

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// This program, to the server.
    Client,
    /// The server.
    Server,
    /// This program, to whoever looks on.
    Note,
}

/// A line of a conversation. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who says it.
    pub from: Speaker,
    /// What is said; that of a server may hold anything but line breaks.
    pub text: String,
}

/// Hears a conversation while it goes on.
pub type Ear<'a> = &'a mut dyn FnMut(&Line);

/// The most that is kept of one line, in characters. What is longer helps nobody, and says so.
const LONGEST: usize = 400;

/// Moments until a conversation has to be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    whole: Duration,
}

impl Deadline {
    /// From now on.
    #[expect(
        clippy::disallowed_methods,
        reason = "a socket waits by the machine's clock, whatever the store's says"
    )]
    pub(super) fn within(whole: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + whole,
            whole,
        }
    }

    /// What is left of it, and never nothing: a socket takes a wait of zero for one without end.
    #[expect(
        clippy::disallowed_methods,
        reason = "a socket waits by the machine's clock, whatever the store's says"
    )]
    pub(super) fn left(self) -> Duration {
        self.at
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1))
    }

    /// The same, but for a little: whoever keeps it can still be heard by whoever waits for the whole.
    pub(super) fn ahead(self, by: Duration) -> Deadline {
        Deadline {
            at: self.at.checked_sub(by).unwrap_or(self.at),
            ..self
        }
    }

    /// Whether it has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "a socket waits by the machine's clock, whatever the store's says"
    )]
    pub(super) fn is_over(self) -> bool {
        self.at <= Instant::now()
    }

    /// Whether there is time to wait for so long and still do something.
    pub(super) fn allows(self, pause: Duration) -> bool {
        self.left() > pause + Duration::from_millis(100)
    }

    /// What is said of a program that did not keep it.
    pub(super) fn unfinished(self, program: &str) -> Failure {
        Failure::temporary(format!(
            "`{program}` did not finish within {} s",
            self.whole.as_secs()
        ))
    }

    /// What is said of a server that did not keep it.
    pub(super) fn passed(self, server: &str) -> Failure {
        Failure::temporary(format!(
            "{server} did not answer within {} s",
            self.whole.as_secs()
        ))
    }
}

/// What the thread of a conversation tells the one that waits for it.
enum Told {
    Said(Line),
    Ended(Result<String, Failure>),
}

/// Where a conversation puts its lines. What is secret is hidden in them before any is cut: a server may repeat it.
#[derive(Clone)]
pub(super) struct Talk {
    give: mpsc::Sender<Told>,
    mask: Arc<Mask>,
}

impl Talk {
    /// What we tell the server. The caller puts `****` in the place of a secret.
    pub(super) fn client(&self, text: impl AsRef<str>) {
        self.say(Speaker::Client, text.as_ref());
    }

    /// What the server tells us.
    pub(super) fn server(&self, text: impl AsRef<str>) {
        self.say(Speaker::Server, text.as_ref());
    }

    /// What happened beside the words.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        self.say(Speaker::Note, text.as_ref());
    }

    fn say(&self, from: Speaker, text: &str) {
        let text = self.mask.hide(text);
        let mut kept: String = text.chars().take(LONGEST).collect();
        let more = text.chars().count().saturating_sub(LONGEST);
        if more > 0 {
            kept.push_str(&format!(" … and {more} characters more"));
        }
        // Whoever waited may have given up.
        let _ = self.give.send(Told::Said(Line { from, text: kept }));
    }
}

/// Holds a conversation with `server` until it ends or the deadline has passed. The thread that is then left behind ends
/// with the process.
pub(super) fn converse(
    server: &str,
    deadline: Deadline,
    mask: &Arc<Mask>,
    ear: Ear<'_>,
    work: impl FnOnce(&Talk) -> Result<String, Failure> + Send + 'static,
) -> Result<String, Failure> {
    let (give, take) = mpsc::channel();
    let mask = Arc::clone(mask);
    thread::spawn(move || {
        let talk = Talk { give, mask };
        let came = work(&talk);
        let _ = talk.give.send(Told::Ended(came));
    });
    loop {
        match take.recv_timeout(deadline.left()) {
            Ok(Told::Said(line)) => ear(&line),
            Ok(Told::Ended(came)) => return came,
            Err(_) => return Err(deadline.passed(server)),
        }
    }
}

/// How long before its deadline a conversation gives up: whoever waits for it has the same, and shall hear what it has to
/// say.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(100);

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What came of `work`, and what was said, one line each: `>` we, `<` the server, `=` a note.
    pub(in crate::delivery) fn overheard(
        work: impl FnOnce(&Talk) -> Result<String, Failure> + Send + 'static,
    ) -> (Result<String, Failure>, Vec<String>) {
        let mut said = Vec::new();
        let mut ear = |line: &Line| {
            let mark = match line.from {
                Speaker::Client => '>',
                Speaker::Server => '<',
                Speaker::Note => '=',
            };
            said.push(format!("{mark} {}", line.text));
        };
        let deadline = Deadline::within(Duration::from_secs(10));
        let mask = Arc::new(Mask::new(&[], ""));
        let came = converse("the server", deadline, &mask, &mut ear, work);
        (came, said)
    }

    #[test]
    fn lines_are_heard_in_order_and_long_ones_say_that_they_are() {
        let (came, said) = overheard(|talk| {
            talk.client("hello");
            talk.server("x".repeat(LONGEST + 7));
            talk.note("that was all");
            Ok("done".to_owned())
        });
        assert_eq!(came.unwrap(), "done");
        let long = format!("< {} … and 7 characters more", "x".repeat(LONGEST));
        assert_eq!(said, ["> hello", long.as_str(), "= that was all"]);
    }

    #[test]
    fn who_never_ends_costs_the_deadline() {
        let (hold, held) = mpsc::channel::<()>();
        let deadline = Deadline::within(Duration::from_millis(20));
        let mask = Arc::new(Mask::new(&[], ""));
        let came = converse("it", deadline, &mask, &mut |_| {}, move |_| {
            let _ = held.recv();
            Ok(String::new())
        });
        let failure = came.unwrap_err();
        assert!(failure.temporary);
        assert_eq!(failure.said, "it did not answer within 0 s");
        drop(hold);
    }
}
