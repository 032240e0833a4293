//! Centres for the tests of a session: each takes one connection and behaves as a test says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::pdu::{self, Command, Pdu};
use super::send;
use crate::delivery::conversation::Deadline;
use crate::delivery::conversation::tests::overheard;
use crate::delivery::{Failure, Sms};
use crate::mailbox::Tls;
use crate::secret::Secret;
use crate::sms_provider::Smpp;

/// Not a word of the conversation may hold it.
pub(super) const PASSWORD: &str = "s3cr3t";

/// Nor this, which stands in the message.
pub(super) const CODE: &str = "918273";

/// A centre on this machine that takes one connection and behaves as it is told.
pub(super) struct Centre<T> {
    pub(super) port: u16,
    pub(super) thread: JoinHandle<T>,
}

impl<T: Send + 'static> Centre<T> {
    pub(super) fn new(behave: impl FnOnce(Caller) -> T + Send + 'static) -> Centre<T> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || behave(Caller(listener.accept().unwrap().0)));
        Centre { port, thread }
    }
}

/// Who calls a centre.
pub(super) struct Caller(pub(super) TcpStream);

impl Caller {
    /// The next request, until there is none.
    pub(super) fn asks(&mut self) -> Option<Pdu> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut rest = vec![0; pdu::rest(length).expect("a length")];
        self.0.read_exact(&mut rest).ok()?;
        Pdu::decode(&rest)
    }

    pub(super) fn hears(&mut self, command: Command, status: u32, sequence: u32, body: &[u8]) {
        let body = body.to_vec();
        let pdu = Pdu {
            command,
            status,
            sequence,
            body,
        };
        self.bytes(&pdu.encode());
    }

    /// Whoever has hung up hears nothing.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Answers a request as a polite centre does, but for its status. Messages are called `id-` and their number.
    pub(super) fn answers(&mut self, pdu: &Pdu, status: u32) {
        let body = match pdu.command {
            Command::BIND_TRANSMITTER => b"centre\0".to_vec(),
            Command::SUBMIT_SM => format!("id-{}\0", pdu.sequence).into_bytes(),
            _ => Vec::new(),
        };
        let body = if status == 0 { body } else { Vec::new() };
        self.hears(pdu.command.answer(), status, pdu.sequence, &body);
    }
}

/// A polite centre, but for what `status` says to a request; it keeps what it was asked.
pub(super) fn centre(status: impl Fn(&Pdu) -> u32 + Send + 'static) -> Centre<Vec<Pdu>> {
    Centre::new(move |mut caller| {
        let mut asked = Vec::new();
        while let Some(pdu) = caller.asks() {
            caller.answers(&pdu, status(&pdu));
            asked.push(pdu);
        }
        asked
    })
}

/// Binds politely, and then behaves as it is told towards the `submit_sm`.
pub(super) fn bound<T: Send + 'static>(
    behave: impl FnOnce(&mut Caller, Pdu) -> T + Send + 'static,
) -> Centre<T> {
    Centre::new(move |mut caller| {
        let bind = caller.asks().unwrap();
        caller.answers(&bind, 0);
        let submit = caller.asks().unwrap();
        behave(&mut caller, submit)
    })
}

pub(super) fn server(port: u16) -> Smpp {
    Smpp {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        username: "ops".to_owned(),
        system_type: Some("VMA".to_owned()),
        ca_file: None,
    }
}

pub(super) fn sms(text: &str) -> Sms {
    Sms {
        to: "+491701234567".to_owned(),
        from: Some("Example".to_owned()),
        text: format!("{CODE} {text}").into(),
    }
}

/// What comes of a message within `whole`, and what is said meanwhile, the port left out. No secret is in any of it.
pub(super) fn within(
    whole: Duration,
    server: Smpp,
    sms: Sms,
) -> (Result<String, Failure>, Vec<String>) {
    let shown = format!("127.0.0.1:{}", server.port);
    let password = Secret::from(PASSWORD);
    let (came, said) = overheard(move |talk| {
        send(
            &server,
            Some(&password),
            &sms,
            0xa7,
            Deadline::within(whole),
            talk,
        )
    });
    let said: Vec<String> = said
        .iter()
        .map(|line| line.replace(&shown, "CENTRE"))
        .collect();
    let came = came.map_err(|Failure { said, temporary }| Failure {
        said: said.replace(&shown, "CENTRE"),
        temporary,
    });
    for secret in [PASSWORD, CODE] {
        assert!(!format!("{came:?}{said:?}").contains(secret), "{said:#?}");
    }
    (came, said)
}

pub(super) fn sends(port: u16, text: &str) -> (Result<String, Failure>, Vec<String>) {
    within(Duration::from_secs(5), server(port), sms(text))
}

/// How it fails: `temporary: ` or `permanent: `, and the words.
pub(super) fn fails(came: Result<String, Failure>) -> String {
    let failure = came.unwrap_err();
    let kind = if failure.temporary {
        "temporary"
    } else {
        "permanent"
    };
    format!("{kind}: {}", failure.said)
}
