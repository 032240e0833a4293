//! Sessions with centres of every kind: polite ones, ones that refuse, and ones that are none at all.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use proptest::prelude::*;

use super::alphabet::tests::decode;
use super::scripted::{CODE, Centre, bound, centre, fails, sends, server, sms, within};
use super::*;
use crate::delivery::conversation::converse;

#[test]
fn a_message_is_one_session() {
    let centre = centre(|_| 0);
    let (came, said) = sends(centre.port, "is your code");
    assert_eq!(came.unwrap(), "id-2");
    assert_eq!(
        said,
        [
            "= connecting to CENTRE",
            "> bind_transmitter system_id=ops password=**** system_type=VMA",
            "< bind_transmitter_resp ESME_ROK (0x00000000) system_id=centre",
            "> submit_sm part 1 of 1 from `Example` to `491701234567`, data_coding 0 (GSM), 19 bytes",
            "< submit_sm_resp ESME_ROK (0x00000000) message_id=id-2",
            "> unbind",
            "< unbind_resp ESME_ROK (0x00000000)",
        ]
    );
    let asked = centre.thread.join().unwrap();
    let bodies: Vec<_> = asked.iter().map(|pdu| pdu.body.as_slice()).collect();
    assert_eq!(
        bodies,
        [
            b"ops\0s3cr3t\0VMA\0\x34\0\0\0".as_slice(),
            b"\0\x05\0Example\0\x01\x01491701234567\0\0\0\0\0\0\0\0\0\0\x13918273 is your code",
            b"",
        ]
    );
    let numbers: Vec<_> = asked.iter().map(|pdu| pdu.sequence).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn a_long_message_goes_in_parts() {
    let centre = centre(|_| 0);
    let text = "Ключ 🔑 ".repeat(12);
    let (came, said) = sends(centre.port, &text);
    assert_eq!(came.unwrap(), "id-2 id-3");
    assert!(
        said.contains(
            &"> submit_sm part 2 of 2 from `Example` to `491701234567`, data_coding 8 (UCS-2), 78 bytes"
                .to_owned()
        ),
        "{said:#?}"
    );
    let asked = centre.thread.join().unwrap();
    let mut whole = String::new();
    for (at, pdu) in (1_u8..).zip(&asked[1..3]) {
        let head = pdu
            .body
            .windows(5)
            .position(|five| five == [5, 0, 3, 0xa7, 2]);
        let head = head.expect("a header");
        assert!(pdu.body.len() - head <= 140);
        assert_eq!(pdu.body[head + 5], at);
        assert_eq!(usize::from(pdu.body[head - 1]), pdu.body.len() - head);
        // esm_class stands behind the numbers, data_coding and sm_default_msg_id before the length.
        assert!(
            pdu.body
                .starts_with(b"\0\x05\0Example\0\x01\x01491701234567\0\x40")
        );
        assert_eq!(pdu.body[head - 3..head - 1], [8, 0]);
        whole.push_str(&decode(8, &pdu.body[head + 6..]));
    }
    assert_eq!(whole, format!("{CODE} {text}"));
}

#[test]
fn what_cannot_be_sent_is_known_before_anybody_is_called() {
    let long = "a".repeat(2000);
    let (came, said) = sends(1, &long);
    assert_eq!(
        fails(came),
        "permanent: the message is too long: it would take 14 short messages, and 10 is the most"
    );
    assert_eq!(said, [""; 0]);
    let mut nul = server(1);
    nul.username.push('\0');
    let (came, said) = within(Duration::from_secs(5), nul, sms(""));
    assert_eq!(
        fails(came),
        "permanent: the system_id has a NUL in it, which SMPP cannot send"
    );
    assert_eq!(said, [""; 0]);
}

#[test]
fn names_that_are_too_long_go_as_they_are() {
    let centre = centre(|_| 0);
    let mut server = server(centre.port);
    server.username = "operations-of-example".to_owned();
    let (came, said) = within(Duration::from_secs(5), server, sms(""));
    came.unwrap();
    assert_eq!(
        said[1],
        "= the system_id is longer than the 15 characters of SMPP 3.4, and not every centre takes it"
    );
    let asked = centre.thread.join().unwrap();
    assert!(asked[0].body.starts_with(b"operations-of-example\0"));
}

#[test]
fn a_refused_bind_ends_it() {
    let centre = centre(|_| 0x0e);
    let (came, said) = sends(centre.port, "");
    assert_eq!(
        fails(came),
        "permanent: CENTRE refused: ESME_RINVPASWD (0x0000000e): the password is wrong"
    );
    assert_eq!(
        said[2..],
        ["< bind_transmitter_resp ESME_RINVPASWD (0x0000000e)"]
    );
    assert_eq!(centre.thread.join().unwrap().len(), 1);
}

#[test]
fn a_refused_message_is_worth_another_try_or_not() {
    for (status, words) in [
        (
            0x58,
            "temporary: CENTRE refused for now: ESME_RTHROTTLED (0x00000058): more was sent than is allowed in this time",
        ),
        (
            0x0b,
            "permanent: CENTRE refused: ESME_RINVDSTADR (0x0000000b): the destination address is not valid",
        ),
        (
            0x0434,
            "permanent: CENTRE refused: 0x00000434: an error that only this centre knows",
        ),
    ] {
        let centre = centre(move |pdu| {
            if pdu.command == Command::SUBMIT_SM {
                status
            } else {
                0
            }
        });
        let (came, said) = sends(centre.port, "");
        assert_eq!(fails(came), words);
        // We take our leave all the same.
        assert_eq!(said.last().unwrap(), "< unbind_resp ESME_ROK (0x00000000)");
        assert_eq!(centre.thread.join().unwrap().len(), 3);
    }
}

#[test]
fn a_part_that_fails_after_others_says_so() {
    let refusing = centre(|pdu| if pdu.sequence == 3 { 0x14 } else { 0 });
    let (came, _) = sends(refusing.port, &"a".repeat(400));
    assert_eq!(
        fails(came),
        "permanent: CENTRE refused for now: ESME_RMSGQFUL (0x00000014): the queue of messages is full (1 of 3 parts had \
         been accepted)"
    );
    refusing.thread.join().unwrap();

    let dying = bound(|caller, submit| {
        caller.answers(&submit, 0);
        caller.asks();
    });
    let (came, _) = sends(dying.port, &"a".repeat(200));
    assert_eq!(
        fails(came),
        "permanent: CENTRE closed the connection (1 of 2 parts had been accepted)"
    );
}

#[test]
fn the_centre_may_ask_something_itself() {
    let centre = bound(|caller, submit| {
        let mut said = Vec::new();
        for (command, sequence) in [
            (Command::ENQUIRE_LINK, 70),
            (Command::DELIVER_SM, 71),
            (Command(0x0103), 72),
            (Command(0x0777), 73),
        ] {
            caller.hears(command, 0, sequence, b"");
            let pdu = caller.asks().unwrap();
            said.push((pdu.command.0, pdu.status, pdu.sequence, pdu.body.clone()));
        }
        caller.hears(Command::ALERT_NOTIFICATION, 0, 74, b"");
        caller.answers(&submit, 0);
        let unbind = caller.asks().unwrap();
        caller.hears(Command::ENQUIRE_LINK, 0, 75, b"");
        assert_eq!(caller.asks().unwrap().sequence, 75);
        caller.answers(&unbind, 0);
        said
    });
    let (came, said) = sends(centre.port, "");
    assert_eq!(came.unwrap(), "id-2");
    assert_eq!(
        said[4..],
        [
            "< enquire_link",
            "> enquire_link_resp ESME_ROK (0x00000000)",
            "< deliver_sm",
            "> deliver_sm_resp ESME_RINVBNDSTS (0x00000004)",
            "< data_sm",
            "> generic_nack ESME_RINVCMDID (0x00000003)",
            "< the unknown command 0x00000777",
            "> generic_nack ESME_RINVCMDID (0x00000003)",
            "< alert_notification",
            "< submit_sm_resp ESME_ROK (0x00000000) message_id=id-2",
            "> unbind",
            "< enquire_link",
            "> enquire_link_resp ESME_ROK (0x00000000)",
            "< unbind_resp ESME_ROK (0x00000000)",
        ]
    );
    assert_eq!(
        centre.thread.join().unwrap(),
        [
            (0x8000_0015, 0, 70, vec![]),
            (0x8000_0005, 4, 71, vec![0]),
            (0x8000_0000, 3, 72, vec![]),
            (0x8000_0000, 3, 73, vec![]),
        ]
    );
}

#[test]
fn an_answer_to_something_else_is_none() {
    let centre = bound(|caller, submit| {
        caller.hears(submit.command.answer(), 0x0b, 99, b"");
        // The right number, but the wrong command.
        caller.hears(Command::ENQUIRE_LINK.answer(), 0x0b, submit.sequence, b"");
        caller.hears(Command::GENERIC_NACK, 0x03, 99, b"");
        caller.answers(&submit, 0);
    });
    let (came, said) = sends(centre.port, "");
    assert_eq!(came.unwrap(), "id-2");
    assert_eq!(
        said[4..8],
        [
            "< submit_sm_resp ESME_RINVDSTADR (0x0000000b) for request 99",
            "= that answers nothing that was asked here; it is ignored",
            "< enquire_link_resp ESME_RINVDSTADR (0x0000000b) for request 2",
            "= that answers nothing that was asked here; it is ignored",
        ]
    );
    // The centre is gone before we take our leave, and the message is on its way.
    assert_eq!(
        said[12..],
        ["= CENTRE closed the connection, which changes nothing: the session is over"]
    );
}

#[test]
fn patience_has_an_end() {
    let centre = bound(|caller, submit| {
        for number in 100..400 {
            caller.hears(submit.command.answer(), 0, number, b"x\0");
        }
        caller.asks();
    });
    let (came, said) = sends(centre.port, "");
    assert_eq!(
        fails(came),
        "temporary: CENTRE said 100 other things, and did not answer submit_sm"
    );
    assert_eq!(said.len(), 4 + 2 * PATIENCE);
}

#[test]
fn a_centre_that_does_not_understand() {
    for sequence in [2, 0] {
        let centre = bound(move |caller, _| {
            caller.hears(Command::GENERIC_NACK, 0x02, sequence, b"");
            caller.asks().map(|pdu| pdu.command)
        });
        let (came, _) = sends(centre.port, "");
        assert_eq!(
            fails(came),
            "permanent: CENTRE did not understand submit_sm: ESME_RINVCMDLEN (0x00000002): the command has a wrong length"
        );
        assert_eq!(centre.thread.join().unwrap(), Some(Command::UNBIND));
    }
}

#[test]
fn a_centre_that_ends_the_session() {
    let centre = bound(|caller, _| {
        caller.hears(Command::UNBIND, 0, 50, b"");
        let answer = caller.asks().unwrap();
        assert_eq!(
            (answer.command, answer.sequence),
            (Command::UNBIND.answer(), 50)
        );
        caller.asks()
    });
    let (came, said) = sends(centre.port, "");
    assert_eq!(fails(came), "temporary: CENTRE ended the session (unbind)");
    assert_eq!(
        said[4..],
        ["< unbind", "> unbind_resp ESME_ROK (0x00000000)"]
    );
    assert_eq!(centre.thread.join().unwrap(), None);
}

#[test]
fn a_centre_that_does_not_say_goodbye_has_the_message_all_the_same() {
    let centre = bound(|caller, submit| {
        caller.answers(&submit, 0);
        // Until we hang up.
        while caller.asks().is_some() {}
    });
    let (came, said) = within(Duration::from_secs(1), server(centre.port), sms(""));
    assert_eq!(came.unwrap(), "id-2");
    assert_eq!(
        said.last().unwrap(),
        "= CENTRE did not answer within 0 s, which changes nothing: the session is over"
    );
}

#[test]
fn a_deadline_that_passes_tells_how_far_it_came() {
    for (text, words) in [
        (
            "a".repeat(200),
            Err(" did not answer within 1 s (1 of 2 parts had been accepted)"),
        ),
        // Only the goodbye is not answered.
        ("a".to_owned(), Ok("id-2")),
    ] {
        let centre = bound(|caller, submit| {
            caller.answers(&submit, 0);
            while caller.asks().is_some() {}
        });
        let server = server(centre.port);
        let deadline = Deadline::within(Duration::from_secs(1));
        // Whoever waits has the same deadline.
        let mask = std::sync::Arc::new(crate::sms_provider::http::Mask::new(&[], ""));
        let came = converse("it", deadline, &mask, &mut |_| {}, move |talk| {
            send(&server, None, &sms(&text), 0, deadline, talk)
        });
        match words {
            Ok(receipt) => assert_eq!(came.unwrap(), receipt),
            Err(words) => {
                let failure = came.unwrap_err();
                assert!(failure.said.ends_with(words), "{}", failure.said);
                // What was accepted is not sent, and paid for, once more.
                assert!(!failure.temporary);
            }
        }
    }
}

#[test]
fn a_message_may_have_no_id() {
    let centre = bound(|caller, submit| {
        caller.hears(submit.command.answer(), 0, submit.sequence, b"");
        while caller.asks().is_some() {}
    });
    let (came, _) = within(Duration::from_secs(1), server(centre.port), sms(""));
    assert_eq!(came.unwrap(), "accepted, without a message id");
}

#[test]
fn who_is_no_centre_is_told_by_the_first_word() {
    for (bytes, words) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
            "temporary: CENTRE does not speak SMPP: it sent `HTTP`",
        ),
        (
            b"220 mail.example.com ESMTP\r\n",
            "temporary: CENTRE does not speak SMPP: it sent `220 `",
        ),
        (
            b"\x15\x03\x01\0\x02\x02\x50",
            "temporary: CENTRE does not speak SMPP: it sent TLS; it may want it from the first byte",
        ),
        (
            b"\0\0\0\x0f\x80\0\0\x02",
            "temporary: CENTRE does not speak SMPP: it sent a length of 15 bytes",
        ),
        (
            b"\0\0\0\0",
            "temporary: CENTRE does not speak SMPP: it sent a length of 0 bytes",
        ),
        (
            b"\xff\xff\xff\xff\x80\0\0\x02",
            "temporary: CENTRE does not speak SMPP: it sent a length of 4294967295 bytes",
        ),
        (b"", "temporary: CENTRE closed the connection"),
        (b"\0\0", "temporary: CENTRE closed the connection"),
        (
            b"\0\0\0\x20\x80\0\0\x02\0\0\0\0\0\0\0\x01",
            "temporary: CENTRE closed the connection",
        ),
    ] {
        let centre = Centre::new(move |mut caller| {
            caller.asks();
            caller.bytes(bytes);
        });
        let (came, _) = sends(centre.port, "");
        assert_eq!(fails(came), words);
    }
}

#[test]
fn a_centre_that_goes_away_in_the_middle() {
    let centre = bound(|_, _| ());
    let (came, said) = sends(centre.port, "");
    assert_eq!(fails(came), "temporary: CENTRE closed the connection");
    assert_eq!(said.len(), 4, "{said:#?}");
    // One that goes with our words unread is a reset.
    let centre = Centre::new(|caller| {
        let _ = caller.0.peek(&mut [0]);
        drop(caller);
    });
    let (came, _) = sends(centre.port, "");
    assert_eq!(fails(came), "temporary: CENTRE closed the connection");
}

#[test]
fn drop_by_drop_costs_the_deadline() {
    let centre = bound(|caller, submit| {
        let answer = Pdu {
            command: submit.command.answer(),
            status: 0,
            sequence: submit.sequence,
            body: vec![b'x'; 64],
        };
        let pause = Some(Duration::from_millis(100));
        caller.0.set_read_timeout(pause).unwrap();
        for byte in answer.encode().iter().copied() {
            // Nothing comes, and that takes the pause.
            if caller.0.write_all(&[byte]).is_err() || caller.0.peek(&mut [0]).is_ok() {
                break;
            }
        }
    });
    let (came, _) = within(Duration::from_secs(1), server(centre.port), sms(""));
    assert_eq!(fails(came), "temporary: CENTRE did not answer within 1 s");
    let silent = Centre::new(|mut caller| while caller.asks().is_some() {});
    let (came, _) = within(Duration::from_secs(1), server(silent.port), sms(""));
    assert_eq!(fails(came), "temporary: CENTRE did not answer within 1 s");
}

#[test]
fn tls_is_spoken_before_anything_else() {
    let plain = Centre::new(|mut caller| {
        let mut hello = [0; 3];
        caller.0.read_exact(&mut hello).unwrap();
        caller.bytes(b"\0\0\0\x10\x80\0\0\0\0\0\0\x02\0\0\0\0");
        hello
    });
    let mut server = server(plain.port);
    server.tls = Tls::Tls;
    let (came, said) = within(Duration::from_secs(5), server, sms(""));
    assert_eq!(
        fails(came),
        "permanent: CENTRE does not speak TLS from the first byte"
    );
    assert_eq!(said, ["= connecting to CENTRE"]);
    assert_eq!(plain.thread.join().unwrap()[..2], [0x16, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever follows the bind, it ends, and in a failure.
    #[test]
    fn no_centre_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300), framed in any::<bool>()) {
        let centre = bound(move |caller, submit| {
            if framed {
                let length = u32::try_from(4 + bytes.len()).unwrap();
                caller.bytes(&length.to_be_bytes());
            }
            caller.bytes(&bytes);
            drop(submit);
        });
        let (came, _) = sends(centre.port, "");
        prop_assert!(came.is_err());
    }
}
