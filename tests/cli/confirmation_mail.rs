//! Confirming an administrator action with a code that is sent: two steps, bound to one command.

use snapbox::str;

use crate::world::World;

/// Supervisor has an address and confirms by email.
fn by_mail() -> World {
    let world = World::peopled();
    world.ok("user edit Supervisor --email boss@example.com");
    world.ok("user add carol --email carol@example.com --group 'System administrators'");
    world.ok("method enable email --primary");
    world.ok("setting set Enable2FA on --yes");
    world
}

fn challenge(done: &crate::world::Done) -> String {
    let last = done.stderr.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(last).unwrap();
    error["error"]["challenge"].as_str().unwrap().to_owned()
}

#[test]
fn by_email_in_two_steps() {
    let world = by_mail();
    let asked = world.run("user deactivate carol --yes -o json").done();
    asked.shows(str![[r#"
$ twofa user deactivate carol --yes -o json
? 5
--- stderr
error: confirm deactivating the administrator `carol`: a code was sent to b***s@example.com
 hint: repeat the command with --confirm-challenge dxymwvp4e467qllum3fvlkhxiq --confirm-code N
{"error":{"kind":"confirmation_required","message":"confirm deactivating the administrator `carol`: a code was sent to b***s@example.com","hint":"repeat the command with --confirm-challenge dxymwvp4e467qllum3fvlkhxiq --confirm-code N","challenge":"dxymwvp4e467qllum3fvlkhxiq","method":"email","expires_at":"2026-01-01T00:01:00Z"}}

"#]]);
    let (challenge, code) = (challenge(&asked), world.code());
    assert_eq!(world.json("user show carol")["active"], true);
    // The code is missing; nothing is sent anew.
    world
        .run(&format!(
            "user deactivate carol --yes --confirm-challenge {challenge}"
        ))
        .shows(str![[r#"
$ twofa user deactivate carol --yes --confirm-challenge dxymwvp4e467qllum3fvlkhxiq
? 5
--- stderr
error: confirm deactivating the administrator `carol`: the code is missing
 hint: give it with --confirm-code

"#]]);
    assert_eq!(world.number("SELECT count(*) FROM outbox"), 1);
    // It confirms this command and no other.
    for other in [
        "user deactivate bob --yes",
        "setting set Enable2FA off --yes",
        "user edit carol --email other@example.com",
        "user remove carol --yes",
    ] {
        let done = world
            .run(&format!(
                "{other} --confirm-challenge {challenge} --confirm-code {code} -o json"
            ))
            .done();
        if other.contains("bob") {
            // No administrator: nothing to confirm.
            assert_eq!(done.code, Some(0), "{}", done.stderr);
        } else {
            assert_eq!(done.code, Some(5), "{other}");
            assert!(
                done.stderr
                    .contains("error: the challenge confirms another command"),
                "{}",
                done.stderr
            );
            assert!(
                done.stderr.contains(r#""kind":"confirmation_wrong""#),
                "{}",
                done.stderr
            );
        }
    }
    assert_eq!(world.tries("Supervisor"), 0);
    world
        .run(&format!("user deactivate carol --yes --confirm-challenge {challenge} --confirm-code {code} -q -o ndjson"))
        .shows(str![[r#"
$ twofa user deactivate carol --yes --confirm-challenge dxymwvp4e467qllum3fvlkhxiq --confirm-code 663951 -q -o ndjson
? 0
--- stdout
{"login":"carol","name":null,"email":"carol@example.com","phone":null,"type":"employee","language":"en","active":false,"locked_until":null,"groups":["System administrators"],"authenticator":false,"recovery_codes_left":0,"can_use_2fa":true,"os_user":null,"must_change":false,"password_changed_at":null,"last_login_at":null,"changed":true,"warnings":[]}

"#]]);
    // Answered is answered.
    world.ok("user activate carol --override --reason test");
    let done = world
        .run(&format!("user deactivate carol --yes --confirm-challenge {challenge} --confirm-code {code} -o json"))
        .exits(5);
    assert!(
        done.stderr.contains(r#""kind":"confirmation_used""#),
        "{}",
        done.stderr
    );
}

#[test]
fn a_sent_code_expires_and_a_wrong_one_counts() {
    let world = by_mail();
    let asked = world.run("user deactivate carol --yes -o json").exits(5);
    let (first, code) = (challenge(&asked), world.code());
    let no = if code == "000000" { "000001" } else { "000000" };
    let with = |code: &str, challenge: &str| {
        let done = world
            .run(&format!("user deactivate carol --yes --confirm-challenge {challenge} --confirm-code {code} -o json"))
            .exits(5);
        done.stderr.lines().last().unwrap().to_owned()
    };
    snapbox::assert_data_eq!(
        with(no, &first),
        str![[
            r#"{"error":{"kind":"confirmation_wrong","message":"the confirmation code is wrong","hint":"repeat the command to confirm it anew"}}"#
        ]]
    );
    assert_eq!(world.tries("Supervisor"), 1);
    snapbox::assert_data_eq!(
        with(&code, "nosuchchallenge"),
        str![[
            r#"{"error":{"kind":"confirmation_wrong","message":"there is no such confirmation challenge","hint":"repeat the command to confirm it anew"}}"#
        ]]
    );
    world.later(60);
    snapbox::assert_data_eq!(
        with(&code, &first),
        str![[
            r#"{"error":{"kind":"confirmation_expired","message":"the confirmation code has expired","hint":"repeat the command to confirm it anew"}}"#
        ]]
    );
    snapbox::assert_data_eq!(
        with(no, &first),
        str![[
            r#"{"error":{"kind":"confirmation_expired","message":"the confirmation code has expired","hint":"repeat the command to confirm it anew"}}"#
        ]]
    );
    assert_eq!(
        world.tries("Supervisor"),
        1,
        "an expired one is not compared"
    );
    // One that was sent to somebody else.
    let mine = world.run("user deactivate carol --yes -o json").exits(5);
    let theirs = world
        .run("user deactivate carol --yes -o json --as carol")
        .exits(5);
    assert_ne!(challenge(&mine), challenge(&theirs));
    let code = world.code();
    snapbox::assert_data_eq!(
        with(&code, &challenge(&theirs)),
        str![[
            r#"{"error":{"kind":"confirmation_wrong","message":"the challenge confirms another command","hint":"repeat the command to confirm it anew"}}"#
        ]]
    );
    assert_eq!(world.json("user show carol")["active"], true);
}

/// A login's challenge, however right its code, confirms nothing.
#[test]
fn a_login_challenge_confirms_nothing() {
    let world = by_mail();
    world
        .run("password set Supervisor --password-stdin --override --reason test")
        .stdin("pw\n")
        .succeeds();
    let verdict = world
        .run("login start Supervisor --password-stdin -o json")
        .stdin("pw\n")
        .json(18);
    let challenge = verdict["challenge"].as_str().unwrap();
    let code = world.code();
    let done = world
        .run(&format!("user deactivate carol --yes --confirm-challenge {challenge} --confirm-code {code} -o json"))
        .exits(5);
    assert!(
        done.stderr
            .contains("the challenge confirms another command"),
        "{}",
        done.stderr
    );
    world.ok(&format!("login verify {challenge} --code {code}"));
    // Nor does a confirmation log in.
    let asked = world.run("user deactivate carol --yes -o json").exits(5);
    let code = world.code();
    let done = world
        .run(&format!(
            "login verify {} --code {code}",
            self::challenge(&asked)
        ))
        .done();
    done.shows(str![[r#"
$ twofa login verify ocbskksiyvnvzpjdypmpx3zovm --code 246114
? 3
--- stderr
error: no login waits for the challenge `ocbskksiyvnvzpjdypmpx3zovm`
 hint: it is a confirmation: repeat its command with --confirm-challenge and --confirm-code

"#]]);
}

#[test]
fn a_confirmation_that_cannot_be_sent_changes_nothing() {
    let world = by_mail();
    std::fs::remove_dir_all(world.file("mail")).unwrap();
    world
        .run("user deactivate carol --yes -o json")
        .shows(str![[r#"
$ twofa user deactivate carol --yes -o json
? 1
--- stderr
error: the mailbox `trial` could not send: the directory `[DIR]/mail` is not there
 hint: this user has no other method; `twofa mailbox test trial` shows how far it comes
{"error":{"kind":"delivery","message":"the mailbox `trial` could not send: the directory `[DIR]/mail` is not there","hint":"this user has no other method; `twofa mailbox test trial` shows how far it comes","temporary":true,"outbox":1,"challenge":"dxymwvp4e467qllum3fvlkhxiq","methods":[]}}

"#]]);
    assert_eq!(world.json("user show carol")["active"], true);
}

/// The hint of a delivery that failed names a way that works for a confirmation.
#[test]
fn another_method_is_offered_where_a_code_cannot_be_sent() {
    let world = by_mail();
    world.ok("method enable totp");
    let setup = world.json("authenticator connect Supervisor");
    let secret = setup["secret"].as_str().unwrap().to_owned();
    let confirm = format!(
        "authenticator confirm Supervisor --code {}",
        world.app(&secret)
    );
    let asked = world.run(&format!("{confirm} -o json")).exits(5);
    let challenge = challenge(&asked);
    world.ok(&format!(
        "{confirm} --confirm-challenge {challenge} --confirm-code {}",
        world.code()
    ));
    world.later(30);
    std::fs::remove_dir_all(world.file("mail")).unwrap();
    world.run("user deactivate carol --yes").shows(str![[r#"
$ twofa user deactivate carol --yes
? 1
--- stderr
error: the mailbox `trial` could not send: the directory `[DIR]/mail` is not there
 hint: repeat the command with --confirm-method totp to confirm by another method

"#]]);
    let code = world.app(&secret);
    world.ok(&format!(
        "user deactivate carol --yes --confirm-method totp --confirm-code {code}"
    ));
}
