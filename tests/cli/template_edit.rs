//! `twofa template edit`: an editor at a real terminal.

use snapbox::str;

use crate::terminal::Terminal;
use crate::world::World;

/// A terminal on which the words of a template are edited by the lines of a shell script, which has the file in `$1`.
fn edit(world: &World, line: &str, script: &str) -> Terminal {
    world.write("editor.sh", script);
    let run = world.run(line).env("EDITOR", "sh editor.sh");
    Terminal::of(world, &run, 120)
}

/// The words that the editor was given.
fn given(world: &World) -> String {
    std::fs::read_to_string(world.file("given")).unwrap()
}

#[test]
fn words_are_edited() {
    let world = World::new();
    let mut terminal = edit(
        &world,
        "template edit '2FA verification code' --language de",
        "cp \"$1\" given; ls -l \"$1\" > mode; sed -i 's/^Subject: .*/Subject: Ihr Code/; /^--- html/,$d' \"$1\"",
    );
    terminal.sees("The words of `2FA verification code` in `de` were changed.");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    snapbox::assert_data_eq!(
        given(&world),
        str![[r##"
#! The words of `2FA verification code` in `de`.
#! Values take the place of #Username#, #SecondFactorCode#, #SecondFactorCodeTTL#.
#! #SecondFactorCode# stays, in the HTML too.
#! HTML, if wanted, stands behind a line `--- html ---`.
#! Lines like these, at the top, are left out.
Subject: Ihr Bestätigungscode

Guten Tag #Username#,

Ihr Bestätigungscode lautet

    #SecondFactorCode#

Er gilt #SecondFactorCodeTTL# Sekunden und kann einmal verwendet werden.

Wenn Sie ihn nicht angefordert haben, kennt jemand anderes Ihr Passwort: Ändern Sie es, und sagen Sie es Ihrer Administration.
--- html ---
<!doctype html>
<html lang="de">
<body style="font-family: sans-serif">
<p>Guten Tag #Username#,</p>
<p>Ihr Bestätigungscode lautet</p>
<p style="font-family: monospace; font-size: 2em; letter-spacing: 0.2em">#SecondFactorCode#</p>
<p>Er gilt #SecondFactorCodeTTL# Sekunden und kann einmal verwendet werden.</p>
<p>Wenn Sie ihn nicht angefordert haben, kennt jemand anderes Ihr Passwort: Ändern Sie es, und sagen Sie es Ihrer Administration.</p>
</body>
</html>

"##]]
    );
    let mode = std::fs::read_to_string(world.file("mode")).unwrap();
    assert!(mode.starts_with("-rw-------"), "{mode}");
    let shown = world.json("template show '2FA verification code' --language de");
    assert_eq!(shown["subject"], "Ihr Code");
    assert_eq!(shown["html"], serde_json::Value::Null);
    assert!(shown["text"].as_str().unwrap().starts_with("Guten Tag"));
    // Nothing is left of the file.
    let path = mode.split_whitespace().last().unwrap();
    assert!(!std::path::Path::new(path).parent().unwrap().exists());
    // The first variable that names an editor is taken, and an SMS has no more than its text.
    world.write(
        "visual.sh",
        "cp \"$1\" given; echo '#SecondFactorCode#' > \"$1\"",
    );
    let run = world
        .run("template edit '2FA SMS code' -o json")
        .env("EDITOR", "false")
        .env("VISUAL", " sh  visual.sh ");
    let (seen, code) = Terminal::of(&world, &run, 120).ends();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("\"text\": \"#SecondFactorCode#\""), "{seen}");
    snapbox::assert_data_eq!(
        given(&world),
        str![[r#"
#! The words of `2FA SMS code` in `en`.
#! Values take the place of #Username#, #SecondFactorCode#, #SecondFactorCodeTTL#.
#! #SecondFactorCode# stays.
#! Lines like these, at the top, are left out.

#SecondFactorCode# is your verification code. It is valid for #SecondFactorCodeTTL# seconds.

"#]]
    );
}

#[test]
fn what_is_not_changed_is_not_written() {
    let world = World::new();
    for script in [
        "true",
        "touch \"$1\"",
        "printf '#! more\\n' | cat - \"$1\" > x; cat x > \"$1\"",
    ] {
        let (seen, code) = edit(&world, "template edit 'Password recovery' -o json", script).ends();
        assert_eq!(code, 0, "{seen}");
        assert!(seen.contains("\"changed\": false"), "{seen}");
    }
    assert_eq!(world.number("SELECT count(*) FROM template_words"), 0);
    // A new language begins with the words that its users get so far.
    let (seen, code) = edit(
        &world,
        "template edit 'Password recovery' --language de-at -o json",
        "cp \"$1\" given",
    )
    .ends();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("\"language\": \"de\""), "{seen}");
    snapbox::assert_data_eq!(
        given(&world),
        str![[r#"
#! The words of `Password recovery` in `de-at`.
#! There are none yet: below are those that are used instead.
#! Values take the place of #Username#, #RecoveryToken#, #RecoveryTokenTTL#.
#! #RecoveryToken# stays, in the HTML too.
#! HTML, if wanted, stands behind a line `--- html ---`.
#! Lines like these, at the top, are left out.
Subject: Ihr neues Passwort

Guten Tag #Username#,

für Ihr Konto wurde ein neues Passwort angefordert. Um eines zu wählen, verwenden Sie diesen Schlüssel:

    #RecoveryToken#

Er kann einmal verwendet werden, innerhalb von #RecoveryTokenTTL# Minuten.

Wenn Sie es nicht waren, ist nichts zu tun: Ihr Passwort bleibt, wie es ist.

"#]]
    );
    let (seen, code) = edit(
        &world,
        "template edit 'Password recovery' --language de-at",
        "sed -i 's/Guten Tag/Servus/' \"$1\"",
    )
    .ends();
    assert_eq!(code, 0, "{seen}");
    let shown = world.json("template show 'Password recovery' --language de-at");
    assert_eq!(shown["subject"], "Ihr neues Passwort");
    assert!(shown["text"].as_str().unwrap().starts_with("Servus"));
}

#[test]
fn a_broken_rule_is_told_and_edited_again() {
    let world = World::new();
    // The first time the code is lost; the second time it comes back, in the file as it was left.
    let script = "if test -e once; then sed -i 's/LOST/#SecondFactorCode#/' \"$1\"; else sed -i 's/#SecondFactorCode#/LOST/' \"$1\"; touch once; fi";
    let mut terminal = edit(&world, "template edit '2FA SMS code'", script);
    terminal.sees("the text has no `#SecondFactorCode#`: the message would bring no code");
    terminal.sees("put #SecondFactorCode# where the code shall stand");
    terminal.sees("Edit it again? [y/N]");
    terminal.types("");
    terminal.sees("nothing was changed");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 4, "{seen}");
    std::fs::remove_file(world.file("once")).unwrap();
    let script = format!("{script}; echo >> \"$1\"; echo Bye. >> \"$1\"");
    let mut terminal = edit(&world, "template edit '2FA SMS code'", &script);
    terminal.sees("Edit it again? [y/N]");
    terminal.types("y");
    terminal.sees("The words of `2FA SMS code` in `en` were changed.");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 0, "{seen}");
    let text = world.json("template show '2FA SMS code'")["text"].clone();
    assert_eq!(text.as_str().unwrap().matches("Bye.").count(), 2, "{text}");
    // An email without its first line is told so.
    let mut terminal = edit(
        &world,
        "template edit 'Password recovery'",
        "echo Hello > \"$1\"",
    );
    terminal.sees("the first line does not begin with `Subject:`");
    terminal.types("n");
    assert_eq!(terminal.ends().1, 4);
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let world = World::new();
    let (seen, code) = edit(
        &world,
        "template edit '2FA SMS code'",
        "echo '#SecondFactorCode#' > \"$1\"; exit 3",
    )
    .ends();
    assert_eq!(code, 1, "{seen}");
    assert!(
        seen.contains("the editor `sh editor.sh` failed (exit status: 3); nothing was changed"),
        "{seen}"
    );
    let run = world
        .run("template edit '2FA SMS code'")
        .env("VISUAL", "no-such-editor; true");
    let (seen, code) = Terminal::of(&world, &run, 120).ends();
    assert_eq!(code, 1, "{seen}");
    assert!(
        seen.contains("cannot start the editor `no-such-editor; true`"),
        "{seen}"
    );
    assert!(
        seen.contains("name another one in the variable VISUAL or EDITOR"),
        "{seen}"
    );
    assert_eq!(world.number("SELECT count(*) FROM template_words"), 0);
}

/// Who takes an hour over it does not undo what somebody else did in the meantime.
#[test]
fn what_somebody_else_changed_stays() {
    let world = World::new();
    let twofa = env!("CARGO_BIN_EXE_twofa");
    let script = format!(
        "'{twofa}' template set '2FA SMS code' --text 'Theirs: #SecondFactorCode#' -q > theirs; echo 'Ours: #SecondFactorCode#' > \"$1\""
    );
    let mut terminal = edit(&world, "template edit '2FA SMS code'", &script);
    terminal.sees("somebody else changed the words of `2FA SMS code` in `en` in the meantime");
    let (seen, code) = terminal.ends();
    assert_eq!(code, 4, "{seen}");
    assert_eq!(
        world.json("template show '2FA SMS code'")["text"],
        "Theirs: #SecondFactorCode#"
    );
}

#[test]
fn no_terminal_no_editor() {
    let world = World::new();
    world
        .run("template edit '2FA SMS code' --language de")
        .env("EDITOR", "true")
        .shows(str![[r#"
$ twofa template edit 2FA SMS code --language de
? 2
--- stderr
error: an editor needs a terminal
 hint: `twofa template set '2FA SMS code' --language de` takes the words as options or from files

"#]]);
    let run = world
        .run("template edit '2FA SMS code' --no-input")
        .env("EDITOR", "true");
    let (seen, code) = Terminal::of(&world, &run, 120).ends();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("an editor needs a terminal"), "{seen}");
    world.run("template edit letter").exits(3);
}
