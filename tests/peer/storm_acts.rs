//! What the processes of the storm do, and how each may end.

use crate::remains::Moments;
use crate::storm::{Act, OF_A_KIND, PASSWORD, Storm};

/// Not the code that was sent; an app shows it three times in a million.
const WRONG: &str = "000000";
/// Not a recovery code: its letters are none of theirs.
const WRONG_PAPER: &str = "uuuuu-uuuuu";

/// One thing after another, chosen by its weight.
pub fn act(storm: &Storm, moments: &mut Moments) {
    let number = moments.next() % OF_A_KIND;
    match moments.next() % 100 {
        0..8 => ask(storm, number),
        8..10 => ask_again(storm, number),
        10..28 => answer(storm, moments),
        28..29 => cancel(storm),
        29..41 => simulate_app(storm, moments, number),
        41..51 => simulate_paper(storm, moments, number),
        51..54 => print_paper(storm, number),
        54..57 => guess(storm, number),
        57..59 => recover(storm, number),
        59..62 => recovered(storm),
        62..64 => connect(storm, number),
        64..68 => confirm(storm),
        _ => administer(storm, moments, number),
    }
}

/// A login that is asked for the code it was mailed.
fn ask(storm: &Storm, number: u64) {
    let user = format!("email{number}");
    let at = usize::try_from(number).unwrap();
    // Somebody else asks for this user just now.
    let Ok(_alone) = storm.asked[at].try_lock() else {
        return;
    };
    let words = format!("login start {user} --password-stdin -o json");
    let start = Act::new("login start", words, &[14, 18]).of(&user);
    let (code, verdict) = storm.run(start.stdin(format!("{PASSWORD}\n")));
    if code == Some(18) {
        let challenge = verdict["challenge"].as_str().unwrap();
        post_code(storm, &user, challenge);
    }
}

/// What was mailed is posted for five.
fn post_code(storm: &Storm, user: &str, challenge: &str) {
    let letter = storm.letter(&format!("{user}@example.com"));
    let letter = letter.expect("what was sent is there");
    let code = letter
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()));
    storm.post("code", user, challenge, code.unwrap(), 5);
}

/// The same challenge, another code: the one before is wrong from here on.
fn ask_again(storm: &Storm, number: u64) {
    let at = usize::try_from(number).unwrap();
    let Ok(_alone) = storm.asked[at].try_lock() else {
        return;
    };
    let Some(posted) = storm.take("code") else {
        return;
    };
    if posted.user != format!("email{number}") {
        return;
    }
    let words = format!("login resend {} -o json", posted.token);
    let (code, _) = storm.run(Act::new("login resend", words, &[12, 13, 14, 18]).of(&posted.user));
    if code == Some(18) {
        post_code(storm, &posted.user, &posted.token);
    }
}

fn answer(storm: &Storm, moments: &mut Moments) {
    let Some(posted) = storm.take("code") else {
        return;
    };
    let wrong = moments.next().is_multiple_of(4) && posted.code != WRONG;
    let code = if wrong { WRONG } else { &posted.code };
    let words = format!("login verify {} --code-stdin -o json", posted.token);
    let act = Act::new("login verify", words, &[0, 11, 12, 13, 14]).of(&posted.user);
    storm.run(Act {
        once: (!wrong).then(|| format!("challenge {}", posted.token)),
        wrong,
        stdin: format!("{code}\n"),
        ..act
    });
}

fn cancel(storm: &Storm) {
    if let Some(posted) = storm.take("code") {
        let words = format!("login cancel {}", posted.token);
        storm.run(Act::new("login cancel", words, &[0]).of(&posted.user));
    }
}

/// A login by app; whoever else logs in within the same step has the same code.
fn simulate_app(storm: &Storm, moments: &mut Moments, number: u64) {
    let user = format!("app{number}");
    let now = storm.now();
    let wrong = moments.next().is_multiple_of(5);
    let secret = &storm.secrets[usize::try_from(number).unwrap()];
    let right = app(secret, now);
    let code = if wrong { WRONG } else { &right };
    let words =
        format!("login simulate {user} --method totp --password-stdin --code-stdin -o json");
    let act = Act::new("login simulate", words, &[0, 11, 12, 14]).of(&user);
    let act = Act {
        once: (!wrong).then(|| format!("{user}, step {}", now.div_euclid(30))),
        wrong,
        ..act
    };
    storm.run_at(act.stdin(format!("{PASSWORD}\n{code}\n")), now);
}

/// What an app shows.
fn app(secret: &str, now: i64) -> String {
    let secret = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(now).unwrap()).to_string()
}

fn print_paper(storm: &Storm, number: u64) {
    let user = format!("paper{number}");
    let words = format!("recovery-codes generate {user} -o json");
    let (code, made) = storm.run(Act::new("recovery-codes generate", words, &[0]).of(&user));
    if code == Some(0) {
        for one in made["codes"].as_array().unwrap() {
            storm.post("paper", &user, "", one.as_str().unwrap(), 3);
        }
    }
}

fn simulate_paper(storm: &Storm, moments: &mut Moments, number: u64) {
    let wrong = moments.next().is_multiple_of(5);
    let posted = if wrong { None } else { storm.take("paper") };
    if posted.is_none() && !wrong {
        return print_paper(storm, number);
    }
    let (user, code) = match &posted {
        Some(posted) => (posted.user.clone(), posted.code.as_str()),
        None => (format!("paper{number}"), WRONG_PAPER),
    };
    let words = format!(
        "login simulate {user} --method recovery-codes --password-stdin --code-stdin -o json"
    );
    // Without a code that is left, the method cannot be asked for.
    let act = Act::new("login simulate", words, &[0, 4, 11, 12, 14]).of(&user);
    let act = Act {
        once: posted
            .as_ref()
            .map(|posted| format!("{user}, {}", posted.code)),
        wrong,
        ..act
    };
    storm.run(act.stdin(format!("{PASSWORD}\n{code}\n")));
}

/// A password that is wrong, of somebody, and of nobody.
fn guess(storm: &Storm, number: u64) {
    let user = format!("guessed{number}");
    let words = format!("login start {user} --password-stdin -o json");
    storm.run(
        Act::new("wrong password", words, &[10])
            .of(&user)
            .stdin("no\n"),
    );
    let words = format!("login start nobody{number} --password-stdin -o json");
    storm.run(Act::new("unknown user", words, &[10]).stdin("no\n"));
}

fn recover(storm: &Storm, number: u64) {
    let user = format!("forgot{number}");
    let words = format!("password recover {user}");
    storm.run(Act::new("password recover", words, &[0]).of(&user));
}

/// A token that was mailed, by whoever comes to the mail first, and by others who have the same.
fn recovered(storm: &Storm) {
    let posted = storm.take("token").or_else(|| {
        let mail = (0..OF_A_KIND).find_map(|number| {
            let user = format!("forgot{number}");
            let letter = storm.letter(&format!("{user}@example.com"))?;
            Some((user, letter))
        });
        let (user, letter) = mail?;
        let mut words = letter.lines().map(str::trim);
        let token = words
            .find(|word| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        storm.post("token", &user, "", token.expect("a token"), 4);
        storm.take("token")
    });
    let Some(posted) = posted else { return };
    let words = format!(
        "password recover {} --token-stdin --new-password-stdin",
        posted.user
    );
    let act = Act::new("password recovered", words, &[0, 10]).of(&posted.user);
    let act = Act {
        once: Some(format!("token {}", posted.code)),
        ..act
    };
    storm.run(act.stdin(format!("{PASSWORD}\n{}\n", posted.code)));
}

/// An app to be connected; the set-up is confirmed by several.
fn connect(storm: &Storm, number: u64) {
    let user = format!("new{number}");
    let words = format!("authenticator connect {user} -o json");
    let (code, setup) = storm.run(Act::new("authenticator connect", words, &[0]).of(&user));
    if code == Some(0) {
        let text = |name: &str| setup[name].as_str().unwrap().to_owned();
        storm.post("setup", &user, &text("setup_token"), &text("secret"), 4);
    }
}

fn confirm(storm: &Storm) {
    let Some(posted) = storm.take("setup") else {
        return;
    };
    let now = storm.now();
    let words = format!(
        "authenticator confirm {} --setup-token {} --code {} -o json",
        posted.user,
        posted.token,
        app(&posted.code, now)
    );
    // 3: nothing waits any more; 11: another set-up took its place; 13: it ran out.
    let act = Act::new("authenticator confirm", words, &[0, 3, 11, 13]).of(&posted.user);
    let once = Some(format!("set-up {}", posted.token));
    storm.run_at(Act { once, ..act }, now);
}

/// Everything else that is done in a store.
fn administer(storm: &Storm, moments: &mut Moments, number: u64) {
    let any = moments.next();
    let once = storm.number();
    let edited = format!("guessed{number}");
    let act = match moments.next() % 40 {
        0..4 => Act::new(
            "setting set",
            format!(
                "setting set TotpIssuer Issuer{} MinPasswordLength {}",
                any % 9,
                any % 8
            ),
            &[0],
        ),
        4..6 => Act::new(
            "setting set, no wait",
            format!("setting set TotpIssuer Issuer{} --wait 0s -o json", any % 9),
            &[0, 75],
        ),
        6..9 => Act::new(
            "user edit",
            format!(
                "user edit {edited} --name Name{} --phone +4930{:07}",
                any % 9,
                any % 9_999_999
            ),
            &[0],
        ),
        9..11 => import(storm, once),
        11..13 => Act::new(
            "permission grant",
            format!("permission grant CanViewSysOperationAudit --user {edited}"),
            &[0],
        ),
        13..15 => Act::new(
            "permission deny",
            format!("permission deny CanViewSysOperationAudit --user {edited} --position 1"),
            &[0],
        ),
        15..17 => Act::new(
            "group add-member",
            format!("group add-member Relaxed --user {edited}"),
            &[0],
        ),
        17..18 => Act::new(
            "group remove-member",
            format!("group remove-member Relaxed --user {edited} --yes"),
            &[0],
        ),
        18..20 => Act::new("user unlock", format!("user unlock app{number}"), &[0]),
        20..22 => Act::new("audit list", "audit list --limit 20 -o json", &[0]),
        22..24 => Act::new("audit verify", "audit verify", &[0]),
        24..26 => Act::new("backup", format!("backup copy{once}.db"), &[0]),
        // One at a time: who comes second is told so.
        26..27 => Act::new("key rotate", "key rotate --yes -o json", &[0, 75]),
        27..28 => Act::new("key check", "key check", &[0]),
        28..30 => Act::new("doctor", "doctor -o json", &[0, 20]),
        30..31 => Act::new("coverage", "coverage -o json", &[0]),
        31..33 => Act::new("status", "status -o json", &[0]),
        33..34 => Act::new(
            "login explain",
            format!("login explain app{number} -o json"),
            &[0],
        ),
        34..35 => Act::new("login list", "login list -o json", &[0]),
        35..36 => Act::new("user list", "user list -o json", &[0]),
        36..37 => Act::new("export", "export", &[0]),
        37..38 => Act::new("outbox list", "outbox list -o json", &[0]),
        38..39 => Act::new(
            "user add",
            format!("user add added{once} --email added{once}@example.com"),
            &[0],
        ),
        _ => Act::new(
            "user remove",
            format!("user remove added{} --yes --if-exists", any % 50),
            &[0],
        ),
    };
    storm.run(act);
}

/// Twenty more people, and one whose name changes.
fn import(storm: &Storm, once: u64) -> Act {
    let mut people = "login,name,email\n".to_owned();
    for number in 0..20 {
        people.push_str(&format!(
            "more{once}-{number},More,more{once}-{number}@example.com\n"
        ));
    }
    people.push_str(&format!("bob,Bob {once},bob@example.com\n"));
    std::fs::write(storm.file(&format!("more{once}.csv")), people).unwrap();
    let words = format!("user import more{once}.csv --yes --on-conflict update -o json");
    Act::new("user import", words, &[0])
}
