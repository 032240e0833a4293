//! Servers that are good and servers that are not, each for one connection.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::conversation::tests::overheard;
use super::super::conversation::{Line, converse};
use super::*;

const TOKEN: &str = "hush-hush-token";
const TEXT: &str = "Your code is 483921.";

/// Takes one connection, reads one request, and behaves as `behave` says. Returns its port, and what it read.
fn server(behave: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let read = request(&mut stream);
        behave(stream);
        read
    });
    (port, thread)
}

/// A whole request.
fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => read.extend_from_slice(&chunk[..count]),
            _ => return text,
        }
    }
}

/// A server that says this and closes.
fn saying(answer: &str) -> (u16, JoinHandle<String>) {
    let answer = answer.to_owned();
    server(move |mut stream| {
        let _ = stream.write_all(answer.as_bytes());
    })
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn sms() -> Sms {
    Sms {
        to: "+4917012345".to_owned(),
        from: Some("Acme".to_owned()),
        text: TEXT.to_owned().into(),
    }
}

fn twilio(port: u16) -> Twilio {
    Twilio {
        account: "AC1".to_owned(),
        url: format!("http://127.0.0.1:{port}"),
        ca_file: None,
    }
}

fn http(port: u16) -> Http {
    Http {
        url: format!("http://127.0.0.1:{port}/send?to=#PhoneDigits#"),
        method: "POST".to_owned(),
        headers: vec![("X-Key".to_owned(), "#Token#".to_owned())],
        body: Some(r##"{"text":"#Text#"}"##.to_owned()),
        username: None,
        success: Some("status=200,202 /state=queued".to_owned()),
        receipt: Some("/id".to_owned()),
        ca_file: None,
    }
}

/// What came of it and what was said, the port left out. Nothing secret is in either.
fn told(
    port: u16,
    work: impl FnOnce(&Talk) -> Result<String, Failure> + Send + 'static,
) -> (Result<String, Failure>, Vec<String>) {
    let (came, said) = overheard(work);
    let unported = |text: &str| text.replace(&port.to_string(), "PORT");
    let came = match came {
        Ok(receipt) => Ok(unported(&receipt)),
        Err(failure) => Err(Failure {
            said: unported(&failure.said),
            ..failure
        }),
    };
    let said: Vec<String> = said.iter().map(|line| unported(line)).collect();
    let whole = format!("{came:?}{said:?}");
    for secret in [
        TOKEN,
        "483921",
        TEXT,
        &data_encoding::BASE64.encode(format!("AC1:{TOKEN}").as_bytes()),
    ] {
        assert!(!whole.contains(secret), "{secret}: {whole}");
    }
    (came, said)
}

fn by_twilio(port: u16) -> (Result<String, Failure>, Vec<String>) {
    let server = twilio(port);
    told(port, move |talk| {
        let deadline = Deadline::within(Duration::from_secs(10));
        send_twilio(&server, Some(&Secret::from(TOKEN)), &sms(), deadline, talk)
    })
}

fn by_http(server: Http, port: u16) -> (Result<String, Failure>, Vec<String>) {
    told(port, move |talk| {
        let deadline = Deadline::within(Duration::from_secs(10));
        send_http(&server, Some(&Secret::from(TOKEN)), &sms(), deadline, talk)
    })
}

/// The failure: `~` before what may pass, `!` before what will not.
fn failed(came: Result<String, Failure>) -> String {
    let failure = came.unwrap_err();
    let mark = if failure.temporary { '~' } else { '!' };
    format!("{mark} {}", failure.said)
}

#[test]
fn twilio_takes_a_message() {
    let (port, heard) = saying(&answer(
        "201 Created",
        "",
        r#"{"sid":"SM17","status":"queued"}"#,
    ));
    let (came, said) = by_twilio(port);
    assert_eq!(came.unwrap(), "SM17");
    assert_eq!(
        said,
        [
            "= connecting to 127.0.0.1:PORT",
            "> POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1",
            "> Authorization: ****",
            "> Content-Type: application/x-www-form-urlencoded",
            "= a body of 52 bytes",
            "< HTTP/1.1 201 Created",
            r#"< {"sid":"SM17","status":"queued"}"#,
        ]
    );
    let heard = heard.join().unwrap();
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "To=%2B4917012345&From=Acme&Body=Your+code+is+483921.");
    let mut head: Vec<String> = head.to_lowercase().lines().map(str::to_owned).collect();
    head[1..].sort();
    assert_eq!(
        head,
        [
            "post /2010-04-01/accounts/ac1/messages.json http/1.1".to_owned(),
            "accept: */*".to_owned(),
            "authorization: basic qumxomh1c2gtahvzac10b2tlbg==".to_owned(),
            "connection: close".to_owned(),
            "content-length: 52".to_owned(),
            "content-type: application/x-www-form-urlencoded".to_owned(),
            format!("host: 127.0.0.1:{port}"),
            concat!("user-agent: twofa/", env!("CARGO_PKG_VERSION")).to_owned(),
        ]
    );
}

#[test]
fn any_interface_takes_a_message() {
    // Chunked, and with what it got in every form.
    let body = format!(
        "{{\"id\":\"m-1\\n{}\",\"state\":\"queued\",\"echo\":\"{TOKEN} {TEXT}\"}}",
        "x".repeat(300)
    );
    let chunked = format!(
        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let (port, heard) = saying(&chunked);
    let (came, said) = by_http(http(port), port);
    let receipt = came.unwrap();
    assert!(
        receipt.starts_with("m-1 xxx") && receipt.len() == 200,
        "{receipt}"
    );
    assert_eq!(
        said[1..5],
        [
            "> POST /send?to=4917012345 HTTP/1.1",
            "> X-Key: ****",
            "> Content-Type: application/json",
            "= a body of 31 bytes",
        ]
    );
    assert!(said[6].ends_with("\"echo\":\"**** ****\"}"), "{said:#?}");
    assert_eq!(said.last().unwrap(), "= this is a success");
    let heard = heard.join().unwrap();
    assert!(
        heard.ends_with("{\"text\":\"Your code is 483921.\"}"),
        "{heard}"
    );
    assert!(heard.contains("x-key: hush-hush-token\r\n"), "{heard}");

    // Without a length: until the server closes. The receipt is in no answer, and the status stands for it.
    let (port, heard) = saying("HTTP/1.0 200 OK\r\n\r\n{\"state\":\"queued\"}");
    let (came, said) = by_http(http(port), port);
    assert_eq!(came.unwrap(), "200 OK");
    assert_eq!(
        said.last().unwrap(),
        "= the receipt is not where it should be in the answer"
    );
    heard.join().unwrap();

    let get = |port| Http {
        url: format!("http://127.0.0.1:{port}/send?to=#Phone#&text=#Text#"),
        method: "GET".to_owned(),
        body: None,
        success: None,
        receipt: Some("header:X-Id".to_owned()),
        ..http(port)
    };
    let (port, heard) = saying("HTTP/1.1 204 No Content\r\nX-ID: 7\r\n\r\n");
    let (came, said) = by_http(get(port), port);
    assert_eq!(came.unwrap(), "7");
    assert_eq!(said[1], "> GET /send?to=%2B4917012345&text=#Text# HTTP/1.1");
    let heard = heard.join().unwrap();
    assert!(
        heard
            .starts_with("GET /send?to=%2B4917012345&text=Your%20code%20is%20483921. HTTP/1.1\r\n"),
        "{heard}"
    );
}

/// What Twilio's client says of each answer.
fn refusals(cases: &[(String, &str)]) {
    for (answer, wanted) in cases {
        let (port, heard) = saying(answer);
        let (came, _) = by_twilio(port);
        heard.join().unwrap();
        let start: String = answer.chars().take(80).collect();
        assert_eq!(
            failed(came).replace("127.0.0.1:PORT", "SERVER"),
            *wanted,
            "{start}"
        );
    }
}

#[test]
fn every_status_has_its_own_words() {
    let error = r#"{"code":21211,"message":"The 'To' number is not valid: 483921","more_info":"https://www.twilio.com/docs/errors/21211","status":400}"#;
    refusals(&[
        (
            answer("400 Bad Request", "", error),
            "! SERVER refused: 400 Bad Request: error 21211: The 'To' number is not valid: **** (https://www.twilio.com/docs/errors/21211)",
        ),
        (
            answer("401 Unauthorized", "", ""),
            "! SERVER refused: 401 Unauthorized",
        ),
        (
            answer("404 Not Found", "", "<html>\n no\tsuch \u{1b}[31mpage"),
            "! SERVER refused: 404 Not Found: <html>  no such [31mpage",
        ),
        (
            answer("408 Request Timeout", "", ""),
            "~ SERVER refused for now: 408 Request Timeout",
        ),
        (
            answer(
                "429 Too Many Requests",
                "",
                r#"{"code":20429,"message":"Slow down"}"#,
            ),
            "~ SERVER refused for now: 429 Too Many Requests: error 20429: Slow down",
        ),
        (
            answer(
                "500 Internal Server Error",
                "",
                &format!("trace: {TOKEN} {TEXT}"),
            ),
            "~ SERVER refused for now: 500 Internal Server Error: trace: **** ****",
        ),
        (answer("599 Odd", "", ""), "~ SERVER refused for now: 599"),
        (
            answer(
                "302 Found",
                "Location: https://u:p@other.example/hush-hush-token?t=hush-hush-token#x\r\n",
                "",
            ),
            "! SERVER redirects to https://other.example/**** (302 Found), and a redirect is not followed: the URL must be the one that sends",
        ),
        (
            answer("307 Temporary Redirect", "Location: /elsewhere?x\r\n", ""),
            "! SERVER redirects to http://SERVER/elsewhere (307 Temporary Redirect), and a redirect is not followed: the URL must be the one that sends",
        ),
        (
            answer("304 Not Modified", "", ""),
            "! SERVER refused: 304 Not Modified",
        ),
    ]);
}

#[test]
fn an_answer_that_says_yes_and_means_no_is_a_failure() {
    refusals(&[
        (
            answer(
                "201 Created",
                "",
                r#"{"sid":"SM1","status":"failed","error_code":30003,"error_message":"Unreachable"}"#,
            ),
            "! SERVER did not take the message: the message is failed: error 30003: Unreachable",
        ),
        (
            answer("200 OK", "", "welcome"),
            "! SERVER did not take the message: the answer has no `sid`, as Twilio's would",
        ),
        (
            answer("201 Created", "", r#"{"sid":17}"#),
            "! SERVER did not take the message: the answer has no `sid`, as Twilio's would",
        ),
    ]);
}

#[test]
fn what_is_no_http_is_said_to() {
    let closed = "~ SERVER closed the connection";
    refusals(&[
        (
            "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
            "~ SERVER does not speak HTTP: it answered `SSH-2.0-OpenSSH_9.2`",
        ),
        (
            format!("+OK {} {TEXT}\r\n", "x".repeat(44)),
            "~ SERVER does not speak HTTP: it answered `+OK xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ****`",
        ),
        (
            "HTTP/1.1 twohundred OK\r\n\r\n".to_owned(),
            "~ SERVER does not speak HTTP: it answered `HTTP/1.1 twohundred OK`",
        ),
        (
            "HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n".to_owned(),
            "~ SERVER does not speak HTTP: it answered `HTTP/1.1 201 Created  Content-Length: x`",
        ),
        (
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
            "! SERVER does not speak HTTP: it answered `HTTP/1.1 201 Created  Transfer-Encoding: chunked    zz`",
        ),
        (String::new(), closed),
        ("HTTP/1.1 201 Crea".to_owned(), closed),
        (
            // Whoever began to say yes may have the message: it is not sent again.
            "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"sid\":".to_owned(),
            "! SERVER closed the connection",
        ),
        (
            answer("201 Created", "", &" ".repeat(65 * 1024)),
            "! SERVER answered with more than 64 KiB",
        ),
        (
            format!("HTTP/1.1 201 Created\r\nX: {}", "y".repeat(100 * 1024)),
            "~ SERVER sent more than 32 KiB of headers",
        ),
        (
            format!("HTTP/1.1 201 Created\r\n{}\r\n", "X-Y: z\r\n".repeat(3_000)),
            "~ SERVER does not speak HTTP: it answered `HTTP/1.1 201 Created  X-Y: z  X-Y: z  X-Y: z  X-Y: z  X-Y: z`",
        ),
    ]);
}

#[test]
fn a_rule_that_does_not_hold_is_a_failure() {
    let (port, heard) = saying(&answer("200 OK", "", r#"{"state":"Your code is 483921."}"#));
    let (came, said) = by_http(http(port), port);
    assert_eq!(
        failed(came),
        "! 127.0.0.1:PORT did not take the message: `/state` is `****`, not `queued`"
    );
    assert_eq!(
        said.last().unwrap(),
        "= this is no success: `/state` is `****`, not `queued`"
    );
    heard.join().unwrap();
    // What is hidden is hidden before anything is cut.
    let long = format!("{} {TEXT}", "x".repeat(184));
    let (port, heard) = saying(&answer("400 Bad Request", "", &long));
    let (came, _) = by_http(http(port), port);
    let said = failed(came);
    assert!(said.ends_with(" ****") && !said.contains("Your"), "{said}");
    heard.join().unwrap();
    let (port, heard) = saying(&answer("201 Created", "", r#"{"state":"queued"}"#));
    let (came, _) = by_http(http(port), port);
    assert_eq!(
        failed(came),
        "! 127.0.0.1:PORT did not take the message: the status is 201, not 200 or 202"
    );
    heard.join().unwrap();
}

#[test]
fn a_connection_that_breaks_is_said_to() {
    // What was sent is not read, so the system resets the connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut one = [0];
        stream.peek(&mut one).unwrap();
    });
    let (came, _) = by_twilio(port);
    assert_eq!(failed(came), "~ 127.0.0.1:PORT closed the connection");
    thread.join().unwrap();
    // Now nobody is there.
    let (came, said) = by_twilio(port);
    assert_eq!(failed(came), "~ 127.0.0.1:PORT: nothing listens there");
    assert_eq!(said.len(), 2, "{said:#?}");
}

#[test]
fn what_speaks_no_tls_is_said_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 1024];
        let _ = stream.read(&mut hello).unwrap();
        let _ = stream.write_all(answer("400 Bad Request", "", "").as_bytes());
    });
    let mut server = http(port);
    server.url = server.url.replace("http:", "https:");
    let (came, said) = by_http(server, port);
    assert_eq!(
        failed(came),
        "! 127.0.0.1:PORT does not speak TLS from the first byte"
    );
    // Nothing was sent.
    assert!(!said.iter().any(|line| line.starts_with('>')), "{said:#?}");
    thread.join().unwrap();
}

/// Drop by drop, in the head and in the body: the deadline is one for all of it.
#[test]
fn a_slow_server_costs_the_deadline() {
    for head in [
        "HTTP/1.1 201 Created\r\nX: ",
        "HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n",
    ] {
        let (port, heard) = server(move |mut stream| {
            let pause = Some(Duration::from_millis(50));
            stream.set_read_timeout(pause).unwrap();
            let mut sent = stream.write_all(head.as_bytes());
            while sent.is_ok() {
                // What was asked is read; then nothing comes, and that takes the pause.
                let _ = stream.read(&mut [0; 4096]);
                sent = stream.write_all(b"x");
            }
        });
        #[expect(
            clippy::disallowed_methods,
            reason = "a test measures by the machine's clock"
        )]
        let begun = std::time::Instant::now();
        let deadline = Deadline::within(Duration::from_millis(600));
        let work = twilio(port);
        let mask = Arc::new(crate::sms_provider::http::Mask::new(&[], ""));
        let came = converse(
            "the server",
            deadline,
            &mask,
            &mut |_: &Line| {},
            move |talk| {
                // The thread itself ends in time, not only the wait for it.
                let came = send_twilio(&work, Some(&Secret::from(TOKEN)), &sms(), deadline, talk);
                assert!(came.is_err());
                came
            },
        );
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        let failure = came.unwrap_err();
        assert!(failure.temporary);
        assert!(
            failure.said.ends_with("did not answer within 0 s"),
            "{}",
            failure.said
        );
        // The connection is closed, or this would not end.
        heard.join().unwrap();
    }
}
