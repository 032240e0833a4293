//! `twofa man`: pages of the manual.

use snapbox::str;

use crate::world::World;

#[test]
fn the_page_of_a_command() {
    let world = World::empty();
    world.run("man outbox list").shows(str![[r#"
$ twofa man outbox list
? 0
--- stdout
.TH TWOFA-OUTBOX-LIST 8 "" "twofa 0.1.0" "Two-factor authentication"
.nh
.ad l
.SH NAME
twofa\-outbox\-list \- List messages, newest first
.SH SYNOPSIS
\fBtwofa outbox list\fR [OPTIONS]
.SH DESCRIPTION
List messages, newest first.
.SH "WHO MAY RUN IT"
Needs the operation CanManageSysSettings.
.SH OPTIONS
.TP
\fB\-\-user\fR \fI<LOGIN>\fR
Messages for this user only.
.TP
\fB\-\-state\fR \fI<STATE>\fR
Messages that stand so only.
.RS
.TP
\fBpending\fR
It may be on its way.
.TP
\fBaccepted\fR
The server took it.
.TP
\fBfailed\fR
It did not leave.
.TP
\fBunknown\fR
Its command ended in between: nobody knows.
.RE
.TP
\fB\-\-method\fR \fI<METHOD>\fR
Messages by this method only.
.TP
\fB\-\-since\fR \fI<TIME>\fR
Messages from this time on.
.TP
\fB\-\-until\fR \fI<TIME>\fR
Messages before this time.
.TP
\fB\-\-limit\fR \fI<N>\fR
At most so many.
.PP
\fBtwofa\fR(8) tells of the options that every command takes.
.SH ENVIRONMENT
\fBtwofa\fR(8) tells of the variables that every command reads.
.SH "EXIT STATUS"
.PD 0
.TP
\fB0\fR
done; yes; granted
.TP
\fB1\fR
failed: I/O, storage, delivery
.TP
\fB2\fR
usage, a missing answer, a blank login
.TP
\fB3\fR
not found
.TP
\fB4\fR
refused: invalid value, conflict, a guard, too soon, over a limit
.TP
\fB5\fR
not permitted: the acting user lacks the operation, or did not confirm
.TP
\fB10\fR
first factor wrong: unknown user, wrong password, inactive user are one answer
.TP
\fB11\fR
second factor wrong
.TP
\fB12\fR
second factor already used or answered
.TP
\fB13\fR
second factor expired
.TP
\fB14\fR
locked
.TP
\fB15\fR
deactivated
.TP
\fB16\fR
no usable second factor, or an authenticator app must be connected first
.TP
\fB17\fR
the password has expired or must be changed
.TP
\fB18\fR
first factor right, second factor required: not logged in yet
.TP
\fB20\fR
there are differences or findings
.TP
\fB75\fR
the store stayed busy longer than \-\-wait; nothing was changed
.PD
.SH EXAMPLES
.EX
twofa outbox list
twofa outbox list \-\-state failed \-\-since \(aq1h ago\(aq
twofa outbox list \-\-user alice \-o json
.EE
.nh
.SH FILES
.TP
\fB/var/lib/twofa/twofa.db\fR
The system store, used without \fB\-\-db\fR and \fBTWOFA_DB\fR if it exists or you are root. Its mode is 0600.
.SH "SEE ALSO"
\fBtwofa\fR(8), \fBtwofa\-outbox\fR(8)

"#]]);
}

#[test]
fn the_page_of_a_group_of_commands() {
    let world = World::empty();
    world.run("man key").shows(str![[r#"
$ twofa man key
? 0
--- stdout
.TH TWOFA-KEY 8 "" "twofa 0.1.0" "Two-factor authentication"
.nh
.ad l
.SH NAME
twofa\-key \- Look after the key file
.SH SYNOPSIS
\fBtwofa key\fR [OPTIONS] <COMMAND>
.SH DESCRIPTION
Look after the key file.
.SH COMMANDS
.TP
\fBtwofa\-key\-check\fR(8)
Check that the key file opens every sealed value of the store.
.TP
\fBtwofa\-key\-rotate\fR(8)
Make new keys and seal everything anew, while logins go on.
.TP
\fBtwofa\-key\-retire\fR(8)
Take a key out of the key file that the store needs no more.
.SH OPTIONS
\fBtwofa\fR(8) tells of the options that every command takes.
.SH ENVIRONMENT
\fBtwofa\fR(8) tells of the variables that every command reads.
.SH "EXIT STATUS"
\fBtwofa\fR(8) tells of what a command exits with.
.SH EXAMPLES
.EX
twofa key check
twofa key check \-o json
.EE
.nh
.SH "SEE ALSO"
\fBtwofa\fR(8), \fBtwofa\-key\-check\fR(8), \fBtwofa\-key\-rotate\fR(8), \fBtwofa\-key\-retire\fR(8)

"#]]);
}

/// Without words it is the page of the whole; an alias has the page of its command.
#[test]
fn the_page_of_the_whole() {
    let world = World::empty();
    let page = world.ok("man").stdout;
    assert!(page.starts_with(".TH TWOFA 8 "), "{page}");
    for part in [
        ".SS \"Confirmation of administrator actions\"\n",
        "\\fBTWOFA_DB\\fR\n",
        "\\fBtwofa\\-user\\fR(8)",
        "\n\\fB75\\fR\nthe store stayed busy longer than \\-\\-wait; nothing was changed\n",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(
        !page.contains("twofa\\-deliver"),
        "what is not for people has a page"
    );
    assert_eq!(world.ok("man").stdout, page);
    assert_eq!(
        world.ok("man lookup list").stdout,
        world.ok("man method list").stdout
    );
}

#[test]
fn a_near_miss() {
    let world = World::empty();
    world.run("man usr add").shows(str![[r#"
$ twofa man usr add
? 3
--- stderr
error: there is no command `usr add`
 hint: did you mean `twofa man user`?

"#]]);
    world.run("man user ad").shows(str![[r#"
$ twofa man user ad
? 3
--- stderr
error: there is no command `user ad`
 hint: did you mean `twofa man user add`?

"#]]);
    world.run("man exit-codes").shows(str![[r#"
$ twofa man exit-codes
? 3
--- stderr
error: there is no command `exit-codes`
 hint: `twofa --help` lists the commands

"#]]);
    world.run("man user add -o json").shows(str![[r#"
$ twofa man user add -o json
? 2
--- stderr
error: this command does not print in that format
 hint: leave --output out
{"error":{"kind":"usage","message":"this command does not print in that format","hint":"leave --output out"}}

"#]]);
}

#[test]
fn all_pages_into_a_directory() {
    let world = World::empty();
    let done = world.ok("man --out pages");
    let names = |directory: &str| {
        let mut names: Vec<String> = std::fs::read_dir(world.file(directory))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let all = names("pages");
    assert!(all.contains(&"twofa.8".to_owned()), "{all:?}");
    assert!(
        all.iter()
            .all(|name| name.starts_with("twofa") && name.ends_with(".8")),
        "{all:?}"
    );
    assert_eq!(done.stdout, "");
    let count = all.len();
    assert_eq!(
        done.stderr,
        format!("{count} pages were written into `pages`.\n")
    );
    let read = |name: &str| std::fs::read_to_string(world.file(name)).unwrap();
    assert_eq!(
        read("pages/twofa-user-add.8"),
        world.ok("man user add").stdout
    );
    assert_eq!(read("pages/twofa.8"), world.ok("man").stdout);
    // Everybody reads a manual, whoever writes it.
    #[cfg(unix)]
    for (name, mode) in [("pages", 0o755), ("pages/twofa.8", 0o644)] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = world.file(name).metadata().unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    // Again is fine: what is there is replaced, and what is not ours stays.
    world.write("pages/twofa-key.8", "an older page");
    world.write("pages/other.8", "another page");
    world.ok("man --out pages -q");
    assert_eq!(read("pages/twofa-key.8"), world.ok("man key").stdout);
    assert_eq!(names("pages").len(), all.len() + 1);
    assert_eq!(read("pages/other.8"), "another page");
    // A part of them.
    world.run("man key --out part").shows(str![[r#"
$ twofa man key --out part
? 0
--- stderr
4 pages were written into `part`.

"#]]);
    assert_eq!(
        names("part"),
        [
            "twofa-key-check.8",
            "twofa-key-retire.8",
            "twofa-key-rotate.8",
            "twofa-key.8"
        ]
    );
}

#[test]
fn a_directory_that_cannot_be() {
    let world = World::empty();
    world.write("file", "");
    world.run("man key --out file").shows(str![[r#"
$ twofa man key --out file
? 1
--- stderr
error: cannot make the directory `file`: File exists (os error 17)

"#]]);
    world.run("man key --out nowhere/pages").shows(str![[r#"
$ twofa man key --out nowhere/pages
? 1
--- stderr
error: cannot make the directory `nowhere/pages`: No such file or directory (os error 2)

"#]]);
}
