//! What may be configured, and what is sent then.

use super::*;
use crate::error::Result;
use crate::sms_provider::Twilio;

fn http(change: impl FnOnce(&mut Http)) -> Http {
    let mut http = Http {
        url: "https://api.example.com/sms".to_owned(),
        method: "POST".to_owned(),
        headers: vec![("Authorization".to_owned(), "Bearer #Token#".to_owned())],
        body: Some(r##"{"to":"#Phone#","text":"#Text#"}"##.to_owned()),
        username: None,
        success: None,
        receipt: None,
        ca_file: None,
    };
    change(&mut http);
    http
}

fn refused(checked: Result<()>) -> String {
    let error = checked.unwrap_err();
    assert!(error.hint_text().is_some(), "{error}");
    error.message()
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn form(http: &mut Http) {
    http.body = Some("to=#PhoneDigits#&text=#Text#&from=#Sender#".to_owned());
}

#[test]
fn what_is_good_is_taken() {
    for (good, has_secret) in [
        (http(|_| {}), true),
        (http(form), true),
        (http(|http| http.headers.clear()), false),
        (
            http(|http| {
                http.url = "HTTP://[::1]:8080/a?to=#Phone#&text=#Text#".to_owned();
                http.method = "GET".to_owned();
                http.body = None;
                http.headers.clear();
            }),
            false,
        ),
        (
            http(|http| {
                http.url = "https://example.com?to=#Phone#&text=#Text#@x".to_owned();
                http.method = "PUT".to_owned();
                http.username = Some("ops".to_owned());
                http.headers = vec![header("Content-Type", "text/plain; charset=\"UTF-8\"")];
                http.body = Some("anything".to_owned());
            }),
            true,
        ),
        (
            http(|http| {
                http.headers = vec![header("content-type", "text/xml")];
                http.body = Some("<a k='#Token#' to='#Phone#'>#Text#</a>".to_owned());
                http.success = Some("status=200 text~OK".to_owned());
                http.receipt = Some("header:X-Id".to_owned());
            }),
            true,
        ),
    ] {
        good.check(has_secret).unwrap();
    }
}

#[test]
fn urls_that_cannot_be_sent_to_are_refused() {
    let url = |text: &str| refused(http(|http| http.url = text.to_owned()).check(true));
    for text in [
        "",
        "api.example.com/sms",
        "ftp://api.example.com/",
        "https:///sms",
        "https://api.example.com:0/",
        "https://api.example.com:99999/",
        "https://api.example.com/sms#part",
        "https://api.example.com#Text#",
        "https://#Phone#.example.com/",
        "https://api.example.com/a b",
        "https://api.example.com/\nx",
        "https://api.example.com\\sms",
    ] {
        let said = url(text);
        assert!(said.ends_with("` is no URL to send to"), "{text}: {said}");
    }
    for text in [
        "https://ops:hush@api.example.com/",
        "https://ops:hush#x#@api.example.com/",
        "ops:hush@api.example.com",
        "https://hush@api.example.com?x",
    ] {
        assert_eq!(url(text), "a URL has no username or password in it");
    }
    let said = url("https://ops:hu/sh@api.example.com/ ");
    assert!(!said.contains("ops"), "{said}");
    assert_eq!(
        url(&format!("https://example.com/{}", "a".repeat(2_000))),
        "the URL is longer than 2000 characters"
    );
}

type Change = fn(&mut Http);

/// What is changed, whether there is a secret, and what is said then.
const BROKEN: &[(Change, bool, &str)] = &[
    (
        |h| h.method = "DELETE".into(),
        true,
        "`DELETE` is no method for sending",
    ),
    (
        |h| h.method = "GET".into(),
        true,
        "a GET request has no body",
    ),
    (|h| h.body = None, true, "a POST request needs a body"),
    (
        |h| h.headers = vec![header("X", "#Token#"); 33],
        true,
        "there are more than 32 headers",
    ),
    (
        |h| h.headers.push(header("a b", "")),
        true,
        "`a b` is no name of a header",
    ),
    (
        |h| h.headers.push(header("transfer-encoding", "chunked")),
        true,
        "the header `transfer-encoding` cannot be set",
    ),
    (
        |h| h.headers.push(header("X-Key", "a\r\nb")),
        true,
        "the value of the header `X-Key` is not one line of at most 2000 visible characters",
    ),
    (
        |h| h.headers.push(header("authorization", "x")),
        true,
        "the header `authorization` is given twice",
    ),
    (
        |h| h.body = Some(String::new()),
        true,
        "a body has between 1 byte and 64 KiB",
    ),
    (
        |h| {
            h.headers
                .push(header("Content-Type", "application/json; charset=latin1"));
        },
        true,
        "a body is written in UTF-8, not in `latin1`",
    ),
    (
        |h| {
            h.headers
                .push(header("Content-Type", "multipart/form-data"));
        },
        true,
        "it is not known how a value is written into `multipart/form-data`",
    ),
    (
        |h| h.body = Some(r##"{"to":#Phone#,"text":"#Text#"}"##.into()),
        true,
        "the body is not JSON that has every macro inside a string",
    ),
    (
        |h| {
            h.headers.push(header("Content-Type", "application/xml"));
            h.body = Some("<a><!-- #Text# --></a>".into());
        },
        true,
        "the body is not XML that has every macro in text or in an attribute",
    ),
    (
        |h| h.body = Some("to=#Phone#\n&text=#Text#".into()),
        true,
        "the body is no form: pairs of name=value with & between them, in one line",
    ),
    (
        |h| h.body = Some("<sms to='#Phone#'>#Text#</sms>&".into()),
        true,
        "the body is no form: pairs of name=value with & between them, in one line",
    ),
    (
        |h| h.body = Some("to=#Phone#&text=#Txt#".into()),
        true,
        "there is no macro `#Txt#`",
    ),
    (
        |h| h.body = Some("to=#Phone#".into()),
        true,
        "#Text# stands neither in the URL nor in the body",
    ),
    (
        |h| h.body = Some("text=#Text#".into()),
        true,
        "neither #Phone# nor #PhoneDigits# stands in the URL or the body",
    ),
    (
        |h| h.url.push_str("?key=#Token#"),
        true,
        "#Token# stands in the URL, and URLs end up in logs",
    ),
    (|_| {}, false, "#Token# has no value"),
    (|h| h.headers.clear(), true, "the token is sent nowhere"),
    (
        |h| {
            h.headers.clear();
            h.username = Some("a:b".into());
        },
        true,
        "`a:b` is no username for a login",
    ),
    (
        |h| {
            h.headers.clear();
            h.username = Some("ops".into());
        },
        false,
        "a username needs a password",
    ),
    (
        |h| h.username = Some("ops".into()),
        true,
        "there are a username and the header `Authorization`, which is how it would log in",
    ),
    (
        |h| h.success = Some("fine".into()),
        true,
        "`fine` is no condition of a success rule",
    ),
    (
        |h| h.receipt = Some("id".into()),
        true,
        "`id` is no place of a receipt",
    ),
];

#[test]
fn every_rule_has_its_words() {
    for (change, has_secret, said) in BROKEN {
        assert_eq!(refused(http(change).check(*has_secret)), *said);
    }
}

#[test]
fn accounts_in_twilios_shape() {
    let twilio = |account: &str, url: &str| Twilio {
        account: account.to_owned(),
        url: url.to_owned(),
        ca_file: None,
    };
    for url in ["https://api.twilio.com", "http://127.0.0.1:8080/twilio/"] {
        twilio("AC1", url).check().unwrap();
    }
    for account in ["", "a/b", "a:b", "a b", "ä", &"a".repeat(65)] {
        let said = refused(twilio(account, "https://api.twilio.com").check());
        assert!(said.ends_with("` is no account"), "{said}");
    }
    for url in ["https://x/?a", "https://x/#Text#"] {
        assert_eq!(
            refused(twilio("AC1", url).check()),
            "the URL of an interface in Twilio's shape has no query and no macros"
        );
    }
    assert_eq!(
        refused(twilio("AC1", "https://a:b@x/").check()),
        "a URL has no username or password in it"
    );
}

/// The request for a fixed message; what is shown of it names nothing secret.
fn prepared(http: &Http, text: &str, from: Option<&str>, secret: Option<&str>) -> Prepared {
    let secret = secret.map(Secret::from);
    let values = Values {
        to: "+4917012345",
        from,
        text,
        secret: secret.as_ref(),
    };
    let Ok(request) = http.request(&values) else {
        panic!("there is a request")
    };
    for line in &request.shown {
        assert!(!line.contains(text), "{line}");
        if let Some(secret) = &secret {
            assert!(!line.contains(secret.expose()), "{line}");
        }
    }
    request
}

const TEXT: &str = "Your \"code\" is <4839&21> #Token#";

#[test]
fn json_is_written_as_json() {
    let request = prepared(&http(|_| {}), TEXT, None, Some("hush-hush"));
    assert_eq!(
        request.headers,
        [
            header("Authorization", "Bearer hush-hush"),
            header("Content-Type", "application/json")
        ]
    );
    assert_eq!(
        request.body.as_deref(),
        Some(r#"{"to":"+4917012345","text":"Your \"code\" is <4839&21> #Token#"}"#)
    );
    assert_eq!(
        request.shown,
        [
            "POST /sms HTTP/1.1",
            "Authorization: ****",
            "Content-Type: application/json"
        ]
    );
    assert_eq!(request.mask.hide("for hush-hush: 4839"), "for ****: ****");
}

#[test]
fn forms_and_logins() {
    let http = http(|http| {
        form(http);
        http.body.as_mut().unwrap().push('\n');
        http.headers = vec![header("X-Note", "for #Phone# from #Sender#: #Text#")];
        http.username = Some("ops".to_owned());
    });
    let request = prepared(&http, "a b&c=é", Some("Acme\r\nX: y"), Some("pw"));
    assert_eq!(
        request.body.as_deref(),
        Some("to=4917012345&text=a+b%26c%3D%C3%A9&from=Acme%0D%0AX%3A+y")
    );
    assert_eq!(
        request.headers,
        [
            header("Authorization", "Basic b3BzOnB3"),
            header("X-Note", "for +4917012345 from Acme  X: y: a b&c=?"),
            header("Content-Type", "application/x-www-form-urlencoded"),
        ]
    );
    assert_eq!(request.shown[1], "Authorization: ****");
    assert_eq!(
        request.shown[2],
        "X-Note: for +4917012345 from Acme  X: y: #Text#"
    );
    assert_eq!(request.mask.hide("got b3BzOnB3"), "got ****");
}

#[test]
fn urls_keep_their_host_and_show_no_values() {
    let http = http(|http| {
        http.url =
            "https://bücher.example:443/a/../ü?to=#Phone#&text=#Text#&api_key=k-1#".to_owned();
        http.url.pop();
        http.method = "GET".to_owned();
        http.body = None;
        http.headers.clear();
    });
    let request = prepared(&http, "x@evil.example/?&é", None, None);
    assert_eq!(request.address.base, "https://xn--bcher-kva.example");
    assert_eq!(request.address.port, 443);
    assert!(request.address.secure);
    assert_eq!(
        request.target,
        "/a/../%C3%BC?to=%2B4917012345&text=x%40evil.example%2F%3F%26%C3%A9&api_key=k-1"
    );
    assert_eq!(
        request.shown,
        ["GET /a/../%C3%BC?to=%2B4917012345&text=#Text#&api_key=**** HTTP/1.1"]
    );
    let bare = Address::read("http://[::1]?text=#Text#").unwrap();
    assert_eq!((bare.host.as_str(), bare.port), ("::1", 80));
    assert_eq!(bare.tail, "/?text=#Text#");
}

#[test]
fn what_cannot_be_filled_is_not_sent() {
    fn said(http: &Http, secret: Option<&Secret>) -> String {
        let values = Values {
            to: "+49",
            from: None,
            text: "x",
            secret,
        };
        match http.request(&values) {
            Ok(_) => panic!("there is a request"),
            Err(why) => why,
        }
    }
    assert_eq!(
        said(&http(form), Some(&Secret::from("s"))),
        "there is no sender to put in the place of `#Sender#`"
    );
    assert_eq!(
        said(&http(|_| {}), None),
        "there is no secret to log in with"
    );
    assert_eq!(
        said(&http(|_| {}), Some(&Secret::from("a\nb"))),
        "the secret has a character that cannot stand in a header"
    );
}

#[test]
fn twilio_is_spoken() {
    let twilio = Twilio {
        account: "AC1".to_owned(),
        url: "https://api.example.com/proxy/".to_owned(),
        ca_file: None,
    };
    let token = Secret::from("tok-en");
    let service = format!("MG{}", "0".repeat(32));
    for (from, field) in [
        (None, String::new()),
        (Some("+1555"), "&From=%2B1555".to_owned()),
        (
            Some(service.as_str()),
            format!("&MessagingServiceSid={service}"),
        ),
    ] {
        let request = twilio
            .request(&Values {
                to: "+4917012345",
                from,
                text: "Code 483921",
                secret: Some(&token),
            })
            .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(request.method, "POST");
        assert_eq!(
            request.target,
            "/proxy/2010-04-01/Accounts/AC1/Messages.json"
        );
        assert_eq!(
            request.body.clone().unwrap(),
            format!("To=%2B4917012345{field}&Body=Code+483921")
        );
        assert_eq!(
            request.headers[0],
            header("Authorization", "Basic QUMxOnRvay1lbg==")
        );
        assert_eq!(
            request
                .mask
                .hide("QUMxOnRvay1lbg== tok-en 483921 Code+483921"),
            "**** **** **** ****"
        );
    }
}

#[test]
fn twilios_answers_are_read() {
    let answer = |status, body: &str| Answer {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    };
    for (body, said) in [
        (r#"{"sid":"SM1","status":"queued"}"#, Ok("SM1".to_owned())),
        (r#"{"sid":"SM1"}"#, Ok("SM1".to_owned())),
        (
            r#"{"sid":"SM1","status":"failed","error_code":30003,"error_message":"Unreachable"}"#,
            Err("the message is failed: error 30003: Unreachable".to_owned()),
        ),
        (
            r#"{"sid":"SM1","status":"undelivered","error_code":null}"#,
            Err("the message is undelivered".to_owned()),
        ),
        (
            "OK",
            Err("the answer has no `sid`, as Twilio's would".to_owned()),
        ),
        (
            "[]",
            Err("the answer has no `sid`, as Twilio's would".to_owned()),
        ),
    ] {
        assert_eq!(twilio::receipt(&answer(201, body)), said, "{body}");
    }
    for (body, said) in [
        (
            r#"{"code":21211,"message":"Invalid 'To'","more_info":"https://x/21211"}"#,
            Some("error 21211: Invalid 'To' (https://x/21211)"),
        ),
        (r#"{"message":"no"}"#, Some("no")),
        (r#"{"code":"x"}"#, None),
        ("<html>", None),
    ] {
        assert_eq!(twilio::refusal(&answer(400, body)).as_deref(), said);
    }
}
