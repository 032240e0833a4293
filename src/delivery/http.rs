//! Sending an SMS over HTTP.
//!
//! What is sent and what an answer means is the noun's (`sms_provider::http`). Here are the conversation, the time it may
//! take and the words for what goes wrong. HTTP itself is ureq's, over our own wire: so TLS, deadlines and the words for
//! a broken connection are those of mail. Nothing that the server says is told before what is secret in it is hidden.

use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::http::{Request, Response, StatusCode};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Body, config::Config};
use url::Url;

use super::conversation::{Deadline, LAST_WORDS, Talk};
use super::wire::{self, Wire};
use super::{Failure, Sms};
use crate::secret::Secret;
use crate::sms_provider::http::{Answer, Prepared, Receipt, Success, Values, twilio};
use crate::sms_provider::{Http, Twilio};

/// The most that is read of an answer's body, in bytes.
const MOST: u64 = 64 * 1024;

/// The most that is read of an answer before its body, in bytes.
const MOST_HEAD: usize = 32 * 1024;

/// What is read and written at once, in bytes: a head must fit, ours and the answer's.
const BUFFER: usize = 64 * 1024;

/// The longest receipt, in characters.
const LONGEST_RECEIPT: usize = 200;

/// How much of an answer is repeated in a failure, in characters.
const LONGEST_EXCERPT: usize = 200;

/// How much is repeated of what is no answer, in characters.
const LONGEST_GARBAGE: usize = 60;

/// The longest failure, in characters.
const LONGEST_FAILURE: usize = 600;

/// Sends through a REST interface in Twilio's shape.
pub(super) fn send_twilio(
    server: &Twilio,
    token: Option<&Secret>,
    sms: &Sms,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    let request = server
        .request(&values(sms, token))
        .map_err(Failure::permanent)?;
    let shown = name(&request);
    hidden(&request, || {
        let answer = exchange(&request, server.ca_file.as_deref(), deadline, talk)?;
        if !answer.succeeded() {
            let said = twilio::refusal(&answer).unwrap_or_else(|| excerpt(&request, &answer));
            return Err(refused(&request, &answer, &said));
        }
        twilio::receipt(&answer).map_err(|why| not_taken(&shown, &request, talk, &why))
    })
}

/// Sends through any other interface over HTTP.
pub(super) fn send_http(
    server: &Http,
    secret: Option<&Secret>,
    sms: &Sms,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    let unfit = |error: crate::error::Error| Failure::permanent(error.message());
    let success = Success::parse(server.success.as_deref()).map_err(unfit)?;
    let place = server.receipt.as_deref();
    let place = place.map(Receipt::parse).transpose().map_err(unfit)?;
    let request = server
        .request(&values(sms, secret))
        .map_err(Failure::permanent)?;
    let shown = name(&request);
    hidden(&request, || {
        let answer = exchange(&request, server.ca_file.as_deref(), deadline, talk)?;
        if !answer.succeeded() {
            return Err(refused(&request, &answer, &excerpt(&request, &answer)));
        }
        (success.judge(&answer)).map_err(|why| not_taken(&shown, &request, talk, &why))?;
        talk.note("this is a success");
        let found = place.as_ref().and_then(|place| place.find(&answer));
        if place.is_some() && found.is_none() {
            talk.note("the receipt is not where it should be in the answer");
        }
        Ok(found.unwrap_or_else(|| status(answer.status)))
    })
}

/// Connects to the server of `url`, with TLS where it says so, and asks nothing: there is no question that every interface
/// takes without sending.
pub(super) fn call(
    url: &str,
    ca_file: Option<&str>,
    deadline: Deadline,
    talk: &Talk,
) -> Result<String, Failure> {
    let unfit = || Failure::permanent("the URL names no server".to_owned());
    let url = Url::parse(url).map_err(|_| unfit())?;
    let host = url.host_str().ok_or_else(unfit)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or_else(unfit)?;
    let wire = Wire::connect(host, port, deadline.ahead(LAST_WORDS), talk)?;
    if url.scheme() == "https" {
        wire.secured(host, ca_file, talk)?;
    }
    Ok(String::new())
}

/// The failure of a message that was answered with a status of success all the same.
fn not_taken(server: &str, request: &Prepared, talk: &Talk, why: &str) -> Failure {
    let why = request.mask.hide(why);
    talk.note(one_line(&format!("this is no success: {why}"), usize::MAX));
    Failure::permanent(format!("{server} did not take the message: {why}"))
}

fn values<'a>(sms: &'a Sms, secret: Option<&'a Secret>) -> Values<'a> {
    Values {
        to: &sms.to,
        from: sms.from.as_deref(),
        text: &sms.text,
        secret,
    }
}

fn name(request: &Prepared) -> String {
    wire::named(&request.address.host, request.address.port)
}

/// What comes of `work`, with what is secret hidden in it: a server may repeat what it was sent.
fn hidden(
    request: &Prepared,
    work: impl FnOnce() -> Result<String, Failure>,
) -> Result<String, Failure> {
    match work() {
        Ok(receipt) => Ok(one_line(&request.mask.hide(&receipt), LONGEST_RECEIPT)),
        Err(failure) => Err(Failure {
            said: one_line(&request.mask.hide(&failure.said), LONGEST_FAILURE),
            ..failure
        }),
    }
}

/// `text` without control characters, at most `longest` characters of it.
fn one_line(text: &str, longest: usize) -> String {
    let spaced = text.replace(['\r', '\n', '\t'], " ");
    let line = spaced.chars().filter(|c| !c.is_control());
    line.collect::<String>()
        .trim()
        .chars()
        .take(longest)
        .collect()
}

/// A status in words.
fn status(code: u16) -> String {
    let reason = StatusCode::from_u16(code)
        .ok()
        .and_then(|status| status.canonical_reason());
    match reason {
        Some(reason) => format!("{code} {reason}"),
        None => code.to_string(),
    }
}

/// How an answer begins, for a failure.
fn excerpt(request: &Prepared, answer: &Answer) -> String {
    // Hidden before it is cut, or half a code would be left.
    one_line(&request.mask.hide(&answer.body), LONGEST_EXCERPT)
}

/// What a status other than success means (RFC 9110, section 15). Trying again may help where it says that the server, not
/// the request, is at fault.
fn refused(request: &Prepared, answer: &Answer, said: &str) -> Failure {
    let shown = name(request);
    let status = status(answer.status);
    if matches!(answer.status, 301..=303 | 307 | 308) {
        let to = answer
            .header("Location")
            .map_or_else(String::new, |to| format!(" to {}", pointed(request, to)));
        return Failure::permanent(format!(
            "{shown} redirects{to} ({status}), and a redirect is not followed: the URL must be the one that sends"
        ));
    }
    let said = if said.is_empty() {
        status
    } else {
        format!("{status}: {said}")
    };
    if matches!(answer.status, 408 | 425 | 429 | 500..) {
        Failure::temporary(format!("{shown} refused for now: {said}"))
    } else {
        Failure::permanent(format!("{shown} refused: {said}"))
    }
}

/// Where a redirect points, without query, name and password.
fn pointed(request: &Prepared, to: &str) -> String {
    // A URL writes in its own way what it may not have, so it is hidden before it is read.
    let to = request.mask.hide(to);
    let whole = Url::parse(&request.address.base).and_then(|base| base.join(&to));
    let shown = whole.map_or_else(
        |_| "somewhere".to_owned(),
        |mut url| {
            url.set_query(None);
            url.set_fragment(None);
            // What has no host has no name either.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        },
    );
    one_line(&shown, LONGEST_EXCERPT)
}

/// Sends `request` and reads the answer.
fn exchange(
    request: &Prepared,
    ca_file: Option<&str>,
    deadline: Deadline,
    talk: &Talk,
) -> Result<Answer, Failure> {
    let address = &request.address;
    let mut wire = Wire::connect(&address.host, address.port, deadline, talk)?;
    if address.secure {
        wire = wire.secured(&address.host, ca_file, talk)?;
    }
    for line in &request.shown {
        talk.client(line);
    }
    if let Some(body) = &request.body {
        talk.note(format!("a body of {} bytes", body.len()));
    }
    let heard = Heard::default();
    let agent = agent(wire, heard.clone(), deadline);
    let failed = |error| failure(error, request, &heard, deadline);
    let response = run(&agent, request).map_err(failed)?;
    let (head, body) = response.into_parts();
    talk.server(format!(
        "{:?} {}",
        head.version,
        status(head.status.as_u16())
    ));
    let mut bytes = Vec::new();
    let mut read = body.into_reader().take(MOST + 1);
    // Whoever began to say yes may have taken the message: it is not sent again.
    let begun = |failure: Failure| Failure {
        temporary: failure.temporary && !head.status.is_success(),
        ..failure
    };
    read.read_to_end(&mut bytes)
        .map_err(|error| begun(failed(ureq::Error::from(error))))?;
    if bytes.len() as u64 > MOST {
        return Err(begun(Failure::temporary(format!(
            "{} answered with more than {} KiB",
            name(request),
            MOST / 1024
        ))));
    }
    let body = String::from_utf8_lossy(&bytes).into_owned();
    let told = one_line(&request.mask.hide(&body), usize::MAX);
    if !told.is_empty() {
        talk.server(told);
    }
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    Ok(Answer {
        status: head.status.as_u16(),
        headers,
        body,
    })
}

/// An agent that speaks over `wire`, once, and does nothing of its own accord.
fn agent(wire: Wire, heard: Heard, deadline: Deadline) -> Agent {
    let config = Config::builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_response_header_size(MOST_HEAD)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .user_agent(concat!("twofa/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(deadline.left()))
        .build();
    Agent::with_parts(config, Once(Mutex::new(Some((wire, heard)))), Nowhere)
}

fn run(agent: &Agent, prepared: &Prepared) -> Result<Response<Body>, ureq::Error> {
    let mut request = Request::builder()
        .method(prepared.method.as_str())
        .uri(format!("{}{}", prepared.address.base, prepared.target))
        .header("Connection", "close");
    for (name, value) in &prepared.headers {
        request = request.header(name, value);
    }
    match &prepared.body {
        Some(body) => agent.run(request.body(body.as_str())?),
        None => agent.run(request.body(())?),
    }
}

/// What ureq says, in the words that mail has for it. Its own words may repeat the request, so they are not used where
/// it was the request that could not be written.
fn failure(error: ureq::Error, request: &Prepared, heard: &Heard, deadline: Deadline) -> Failure {
    let server = &name(request);
    match error {
        ureq::Error::Other(error) => match error.downcast::<Broken>() {
            Ok(broken) => broken.0,
            Err(_) => wire::closed(server),
        },
        ureq::Error::Timeout(_) => deadline.passed(server),
        ureq::Error::Io(_) => wire::closed(server),
        ureq::Error::LargeResponseHeader(..) => Failure::temporary(format!(
            "{server} sent more than {} KiB of headers",
            MOST_HEAD / 1024
        )),
        ureq::Error::Protocol(_) | ureq::Error::BodyStalled => {
            let answer = one_line(&request.mask.hide(&heard.text()), LONGEST_GARBAGE);
            Failure::temporary(format!(
                "{server} does not speak HTTP: it answered `{answer}`"
            ))
        }
        _ => Failure::permanent(format!("the request to {server} cannot be written")),
    }
}

/// How an answer begins, for what cannot be read as one.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// How much is kept, in bytes: more than is told, so that what is cut off is not half of what must be hidden.
    const KEPT: usize = 4096;

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Heard::KEPT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// A failure of the wire on its way through ureq.
#[derive(Debug)]
struct Broken(Failure);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.said)
    }
}

impl std::error::Error for Broken {}

fn broken(failure: Failure) -> ureq::Error {
    ureq::Error::Other(Box::new(Broken(failure)))
}

/// Hands out the one connection that there is.
struct Once(Mutex<Option<(Wire, Heard)>>);

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl Connector for Once {
    type Out = OverWire;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<OverWire>, ureq::Error> {
        let mut wire = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(wire.take().map(|(wire, heard)| OverWire {
            wire,
            heard,
            buffers: LazyBuffers::new(BUFFER, BUFFER),
        }))
    }
}

/// Looks no name up: the wire has done it.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// A wire as ureq wants it. It keeps its own deadline.
struct OverWire {
    wire: Wire,
    heard: Heard,
    buffers: LazyBuffers,
}

impl fmt::Debug for OverWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OverWire")
    }
}

impl Transport for OverWire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.buffers.output();
        let amount = amount.min(output.len());
        self.wire.send(&output[..amount]).map_err(broken)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let input = self.buffers.input_append_buf();
        let count = self.wire.some(input).map_err(broken)?;
        self.heard.keep(&input[..count]);
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        self.wire.is_secured()
    }
}

#[cfg(test)]
mod tests;
