//! Codes by SMS through real servers that speak HTTP: one in Twilio's shape, one of the many others, and every way in
//! which they say no.

use serde_json::{Value, json};

use crate::httpd::{LOGIN, Provider};
use crate::smtpd::certificate;
use crate::world::World;

/// Alice has a phone.
fn world() -> World {
    let world = World::peopled();
    world.ok("user edit alice --phone +4917012345");
    world
}

/// A provider in Twilio's shape, with TLS if there is a certificate of that name.
fn twilio(world: &World, certificate: Option<&str>, mode: &str) -> Provider {
    let mut options = vec!["--shape", "twilio", "--account", LOGIN.0, "--mode", mode];
    let (cert, key) = match certificate {
        Some(name) => (
            world.file(&format!("{name}.pem")),
            world.file(&format!("{name}.key")),
        ),
        None => Default::default(),
    };
    if certificate.is_some() {
        options.extend(["--cert", cert.to_str().unwrap()]);
        options.extend(["--key", key.to_str().unwrap()]);
    }
    let into = format!("in-{}-{mode}", certificate.unwrap_or("plain"));
    Provider::start(&world.file(&into), &options)
}

/// Adds the SMS provider `carrier`; its token comes on standard input.
fn carrier(world: &World, options: &str) {
    world
        .run(&format!("sms-provider add carrier {options}"))
        .stdin(&format!("{}\n", LOGIN.1))
        .succeeds();
}

fn carrier_like_twilio(world: &World, url: &str, options: &str) {
    carrier(
        world,
        &format!(
            "--twilio --account {} --base-url {url} --token-stdin --from +15005550006 {options}",
            LOGIN.0
        ),
    );
}

/// A test message arrives; nothing secret is told of it. Returns the receipt.
fn arrives(world: &World) -> String {
    let done = world
        .run("sms-provider test carrier --to +4930123456 -o json")
        .succeeds();
    let tested: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(tested["provider"], "carrier", "{tested}");
    assert_eq!(tested["to"], "+4930123456", "{tested}");
    assert_eq!(tested["delivered"], true, "{tested}");
    let lines = tested["conversation"].as_array().unwrap();
    for from in ["client", "server", "note"] {
        assert!(lines.iter().any(|line| line["from"] == from), "{tested}");
    }
    for secret in [LOGIN.1, "Basic ", "Bearer "] {
        assert!(!done.stdout.contains(secret), "{tested}");
        assert!(!done.stderr.contains(secret), "{}", done.stderr);
    }
    tested["receipt"].as_str().unwrap().to_owned()
}

/// The error of a test to this number: its message, the port left out. Nothing secret is in it.
fn refused(world: &World, port: u16, to: &str) -> String {
    let done = world
        .run(&format!("sms-provider test carrier --to {to} -o json"))
        .exits(1);
    assert_eq!(done.stdout, "");
    for secret in [LOGIN.1, "Basic QUM", "Bearer "] {
        assert!(!done.stderr.contains(secret), "{}", done.stderr);
    }
    let last = done.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(last).unwrap();
    assert_eq!(error["error"]["kind"], "delivery", "{error}");
    let message = error["error"]["message"].as_str().unwrap();
    message
        .replace(&format!("127.0.0.1:{port}"), "SERVER")
        .replace(&world.path().display().to_string(), "[DIR]")
}

/// Alice logs in with the code that the provider got in this field.
fn logs_in(world: &World, provider: &Provider, field: &str) {
    world.ok("setting set SmsProvider carrier");
    world.ok("method enable sms --primary");
    world.ok("setting set Enable2FA on --yes --allow-lockout");
    let before = provider.messages().len();
    let done = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .exits(18);
    let verdict: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(verdict["method"], "sms", "{verdict}");
    assert_eq!(provider.messages().len(), before + 1);
    let message = provider.last();
    let text = message["fields"][field].as_str().unwrap();
    let code = text
        .split(|c: char| !c.is_ascii_digit())
        .find(|word| word.len() == 6)
        .unwrap_or_else(|| panic!("no code in `{text}`"));
    assert!(!done.stdout.contains(code) && !done.stderr.contains(code));
    let challenge = verdict["challenge"].as_str().unwrap();
    let verify = format!("login verify {challenge} --code {code} -o json");
    let granted = world.run(&verify).json(0);
    assert_eq!(granted["outcome"], "granted", "{granted}");
    world.run(&verify).json(12);
    // The provider repeats the text in its answer; it is kept nowhere.
    let outbox = "SELECT group_concat(coalesce(receipt, '') || coalesce(error, '')) FROM outbox";
    for kept in [world.json("audit list").to_string(), world.text(outbox)] {
        assert!(!kept.contains(code), "{kept}");
    }
}

#[test]
fn twilio_over_tls() {
    let world = world();
    certificate(world.path(), "good", "IP:127.0.0.1");
    let provider = twilio(&world, Some("good"), "good");
    carrier_like_twilio(
        &world,
        &format!("https://127.0.0.1:{}", provider.port),
        "--ca-file good.ca.pem",
    );
    assert_eq!(arrives(&world), format!("SM{:032x}", 1));
    let message = provider.last();
    assert_eq!(message["tls"], true);
    assert_eq!(message["fields"]["To"], "+4930123456");
    assert_eq!(message["fields"]["From"], "+15005550006");
    let headers = &message["headers"];
    assert_eq!(
        headers["user-agent"],
        concat!("twofa/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(headers["host"], format!("127.0.0.1:{}", provider.port));
    logs_in(&world, &provider, "Body");
    assert_eq!(provider.last()["fields"]["To"], "+4917012345");
}

#[test]
fn a_messaging_service_of_twilio() {
    let world = world();
    let provider = twilio(&world, None, "good");
    let service = format!("MG{}", "0a".repeat(16));
    carrier(
        &world,
        &format!(
            "--twilio --account {} --base-url http://127.0.0.1:{} --token-stdin --from {service}",
            LOGIN.0, provider.port
        ),
    );
    arrives(&world);
    let fields = &provider.last()["fields"];
    assert_eq!(fields["MessagingServiceSid"], service);
    assert_eq!(fields["From"], Value::Null);
}

#[test]
fn json_with_a_token() {
    let world = world();
    let provider = Provider::start(&world.file("in"), &["--shape", "json"]);
    carrier(
        &world,
        &format!(
            "--http http://127.0.0.1:{}/v1/send --header 'Authorization: Bearer #Token#' --token-stdin --from Acme \
             --body '{{\"to\":\"#PhoneDigits#\",\"from\":\"#Sender#\",\"message\":{{\"text\":\"#Text#\"}},\"text\":\"#Text#\"}}' \
             --success 'status=200,202 /code=0' --receipt /data/0/id",
            provider.port
        ),
    );
    assert_eq!(arrives(&world), "m-1");
    let message = provider.last();
    assert_eq!(message["method"], "POST");
    assert_eq!(message["headers"]["content-type"], "application/json");
    assert_eq!(message["fields"]["to"], "4930123456");
    assert_eq!(message["fields"]["from"], "Acme");
    assert_eq!(
        message["fields"]["message"],
        json!({ "text": message["fields"]["text"] })
    );
    logs_in(&world, &provider, "text");
}

#[test]
fn a_form_and_a_query_with_a_login() {
    let world = world();
    let provider = Provider::start(
        &world.file("in"),
        &["--shape", "json", "--account", LOGIN.0],
    );
    world.write("form", "to=#Phone#&text=#Text#\n");
    carrier(
        &world,
        &format!(
            "--http http://127.0.0.1:{}/v1/send --body-file form --username {} --password-stdin --success /code=0",
            provider.port, LOGIN.0
        ),
    );
    assert_eq!(arrives(&world), "200 OK");
    let message = provider.last();
    assert_eq!(message["fields"]["to"], "+4930123456");
    let text = message["fields"]["text"].as_str().unwrap();
    assert_eq!(text, text.trim());
    logs_in(&world, &provider, "text");

    world.ok("setting reset SmsProvider --allow-lockout");
    world.ok("sms-provider remove carrier --yes");
    carrier(
        &world,
        &format!(
            "--http 'http://127.0.0.1:{}/v1/send?to=#Phone#&text=#Text#' --method GET --username {} --password-stdin",
            provider.port, LOGIN.0
        ),
    );
    arrives(&world);
    let message = provider.last();
    assert_eq!(message["method"], "GET");
    assert_eq!(message["fields"]["to"], "+4930123456");
    assert_eq!(message["fields"]["text"], text);
}

#[test]
fn every_refusal_has_its_own_words() {
    let world = world();
    for (name, subject) in [
        ("good", "IP:127.0.0.1"),
        ("other", "IP:127.0.0.1"),
        ("elsewhere", "DNS:sms.example.com"),
    ] {
        certificate(world.path(), name, subject);
    }
    let good = twilio(&world, Some("good"), "good");
    let mut said = Vec::new();
    let mut with = |url: String, options: &str, token: &str, port: u16, to: &str| {
        world
            .run(&format!(
                "sms-provider add carrier --twilio --account {} --base-url {url} --token-stdin --from +15005550006 {options}",
                LOGIN.0
            ))
            .stdin(&format!("{token}\n"))
            .succeeds();
        said.push(refused(&world, port, to));
        world.ok("sms-provider remove carrier --yes");
    };
    let to = "+4930123456";
    let url = format!("https://127.0.0.1:{}", good.port);
    let ca = "--ca-file good.ca.pem";
    with(url.clone(), ca, "wrong", good.port, to);
    with(url.clone(), ca, LOGIN.1, good.port, "+15005550001");
    with(url.clone(), ca, LOGIN.1, good.port, "+15005550002");
    with(format!("{url}/other"), ca, LOGIN.1, good.port, to);
    let other = "--ca-file other.ca.pem";
    with(url.clone(), other, LOGIN.1, good.port, to);
    with(url, "", LOGIN.1, good.port, to);
    // Only the message that was taken, and failed later, has arrived.
    assert_eq!(good.messages().len(), 1);
    let elsewhere = twilio(&world, Some("elsewhere"), "good");
    let ca = "--ca-file elsewhere.ca.pem";
    let url = format!("https://127.0.0.1:{}", elsewhere.port);
    with(url, ca, LOGIN.1, elsewhere.port, to);
    assert_eq!(elsewhere.messages().len(), 0);
    for mode in ["429", "500", "redirect", "reset", "garbage"] {
        let provider = twilio(&world, None, mode);
        let url = format!("http://127.0.0.1:{}", provider.port);
        with(url, "", LOGIN.1, provider.port, to);
    }
    // Each speaks what the other does not.
    let plain = twilio(&world, None, "good");
    let url = format!("https://127.0.0.1:{}", plain.port);
    with(url, "--ca-file good.ca.pem", LOGIN.1, plain.port, to);
    assert_eq!(plain.messages().len(), 0);
    let gone = plain.port;
    drop(plain);
    with(format!("http://127.0.0.1:{gone}"), "", LOGIN.1, gone, to);

    // In front stands what the noun says of every provider.
    let wanted = [
        "SERVER refused: 401 Unauthorized: error 20003: Authenticate (https://www.twilio.com/docs/errors/20003)",
        "SERVER refused: 400 Bad Request: error 21211: The 'To' number +15005550001 is not a valid phone number. (https://www.twilio.com/docs/errors/21211)",
        "SERVER did not take the message: the message is failed: error 30003: Unreachable destination handset",
        "SERVER refused: 404 Not Found: error 20404: The requested resource /other/2010-04-01/Accounts/AC0123456789abcdef/Messages.json was not found (https://www.twilio.com/docs/errors/20404)",
        "the certificate of SERVER is not good: it was issued by nobody who is trusted (trusted: the certificates in `[DIR]/other.ca.pem`)",
        "the certificate of SERVER is not good: it was issued by nobody who is trusted (trusted: the system's certificates)",
        "the certificate of SERVER is not good: ",
        "SERVER refused for now: 429 Too Many Requests: error 20429: Too Many Requests",
        "SERVER refused for now: 500 Internal Server Error: oops",
        "SERVER redirects to https://sms.example.net/login (302 Found)",
        "SERVER closed the connection",
        "SERVER does not speak HTTP",
        "SERVER does not speak TLS from the first byte",
        "SERVER: nothing listens there",
    ];
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    for (message, wanted) in said.iter().zip(wanted) {
        assert!(message.contains(wanted), "{wanted}\n{message}");
    }
}

#[test]
fn a_status_of_success_is_not_always_one() {
    let world = world();
    let provider = Provider::start(&world.file("in"), &["--shape", "json"]);
    let options = |rule: &str| {
        format!(
            "--http http://127.0.0.1:{}/v1/send --header 'Authorization: Bearer #Token#' --token-stdin \
             --body 'to=#Phone#&text=#Text#' {rule}",
            provider.port
        )
    };
    carrier(&world, &options("--success /code=0"));
    let said = refused(&world, provider.port, "+15005550001");
    assert!(
        said.contains("SERVER did not take the message: `/code` is `12`, not `0`"),
        "{said}"
    );
    // Without a rule nobody could know.
    world.ok("sms-provider remove carrier --yes");
    carrier(&world, &options(""));
    world.json("sms-provider test carrier --to +15005550001");
    assert_eq!(provider.messages().len(), 0);
}

#[test]
fn a_provider_that_never_ends_costs_the_life_of_the_code() {
    for mode in ["silent", "drip"] {
        let world = world();
        let provider = twilio(&world, None, mode);
        carrier_like_twilio(&world, &format!("http://127.0.0.1:{}", provider.port), "");
        world.ok("setting set SmsProvider carrier SecondFactorCodeTTL 2");
        world.ok("method enable sms --primary");
        world.ok("setting set Enable2FA on --yes --allow-lockout");
        #[expect(
            clippy::disallowed_methods,
            reason = "a test measures by the machine's clock"
        )]
        let begun = std::time::Instant::now();
        let done = world
            .run("login start alice --password-stdin -o json")
            .stdin("alice-pw\n")
            .exits(1);
        let took = begun.elapsed().as_secs();
        assert!((2..15).contains(&took), "{took} s");
        let said = format!("127.0.0.1:{} did not answer within 2 s", provider.port);
        assert!(done.stderr.contains(&said), "{}", done.stderr);
        // A delivery that failed is no try.
        let audit = world.json("audit list --limit 5");
        assert!(!audit.to_string().contains("denied"), "{audit}");
    }
}
