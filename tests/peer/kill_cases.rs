//! The commands that are killed: one case for each way of writing.

use crate::world::World;

/// A command line, what it reads, and how it ends when nobody kills it.
pub struct Line {
    pub words: String,
    pub stdin: &'static str,
    pub exit: i32,
}

impl Line {
    pub fn new(words: impl Into<String>, stdin: &'static str) -> Line {
        Line {
            words: words.into(),
            stdin,
            exit: 0,
        }
    }

    fn exits(self, exit: i32) -> Line {
        Line { exit, ..self }
    }
}

pub struct Case {
    pub verb: &'static str,
    /// Where it begins.
    pub world: fn() -> World,
    /// Makes the world ready for it, and says it.
    pub line: fn(&World) -> Line,
    /// How many transactions it commits. What changes state by declaration has one, its audit row included. A login
    /// has one that reserves the try and one with the verdict about the password, for the hash is made between them;
    /// then one that opens the challenge, and one with what came of sending its code.
    pub commits: usize,
    /// How else the same command may end once something of it has been committed.
    pub again: &'static [i32],
}

const fn one(verb: &'static str, world: fn() -> World, line: fn(&World) -> Line) -> Case {
    Case {
        verb,
        world,
        line,
        commits: 1,
        again: &[],
    }
}

/// A user with a connected app, which is the only method, and 2FA on; the secret.
fn app(world: &World, user: &str) -> String {
    let enrolment = world.json(&format!("authenticator connect {user}"));
    let secret = enrolment["secret"].as_str().unwrap().to_owned();
    let code = world.app(&secret);
    world.ok(&format!("authenticator confirm {user} --code {code}"));
    world.ok("method enable totp --primary");
    world.ok("setting set Enable2FA on --yes");
    world.later(600);
    secret
}

/// An OAuth client; its secret.
fn client(world: &World) -> String {
    world.ok("user add robot --type technical");
    let added = world.json("oauth-client add billing --user robot");
    added["client_secret"].as_str().unwrap().to_owned()
}

/// An identity provider; whether it is enabled.
fn corp(world: &World, enabled: bool) {
    world.write("entra.xml", include_str!("../saml/entra.xml"));
    world.write("ours.pem", include_str!("../keys/ours.pem"));
    world.ok("group add Staff");
    world.ok(
        "idp add corp --metadata entra.xml --acs-url https://sp.example.org/acs --group a=Staff",
    );
    if enabled {
        world.ok("idp enable corp");
    }
}

/// A login of alice that has been asked for her second factor; its challenge.
fn asked(world: &World) -> String {
    let verdict = world
        .run("login start alice --password-stdin -o json")
        .stdin("alice-pw\n")
        .json(18);
    verdict["challenge"].as_str().unwrap().to_owned()
}

pub const CASES: &[Case] = &[
    one("method enable", World::peopled, |_| {
        Line::new("method enable email --primary", "")
    }),
    one("method disable", World::with_email, |_| {
        Line::new("method disable email --yes --allow-lockout", "")
    }),
    one("method primary", World::with_email, |_| {
        Line::new("method primary totp", "")
    }),
    one("setting set", World::peopled, |_| {
        Line::new(
            "setting set TotpIssuer Example MinPasswordLength 8 TotpDriftSteps 2",
            "",
        )
    }),
    // A confirmed one: the code is consumed with the change.
    one("setting set", World::peopled, |world| {
        let secret = app(world, "Supervisor");
        let code = world.app(&secret);
        Line::new(
            format!("setting set Enable2FA off --yes --confirm-code {code}"),
            "",
        )
    }),
    // A denied one: its row is all it writes.
    one("setting set", World::peopled, |_| {
        Line::new("--as bob setting set TotpIssuer Example", "").exits(5)
    }),
    one("setting reset", World::peopled, |world| {
        world.ok("setting set TotpIssuer Example");
        Line::new("setting reset TotpIssuer", "")
    }),
    one("user add", World::peopled, |_| {
        Line::new(
            "user add dora --name Dora --email dora@example.com --group 'System administrators' --password-stdin",
            "dora-pw\n",
        )
    }),
    one("user edit", World::peopled, |_| {
        Line::new(
            "user edit alice --name Alicia --email alicia@example.com --phone +4930123456 --group 'System administrators'",
            "",
        )
    }),
    one("user remove", World::peopled, |world| {
        world.ok("authenticator connect bob");
        world.ok("recovery-codes generate bob");
        Line::new("user remove bob --yes --if-exists", "")
    }),
    one("user activate", World::peopled, |world| {
        world.ok("user deactivate bob --yes");
        Line::new("user activate bob", "")
    }),
    one("user deactivate", World::peopled, |_| {
        Line::new("user deactivate bob --yes", "")
    }),
    one("user unlock", World::with_email, |world| {
        world.ok("setting set SecondFactorAttemptCount 1");
        let challenge = asked(world);
        world
            .run(&format!("login verify {challenge} --code 000000"))
            .exits(14);
        Line::new("user unlock alice", "")
    }),
    Case {
        again: &[4],
        // What it wrote of itself is the next to go, into a file that is there already.
        ..one("audit archive", World::with_email, |_| {
            Line::new(
                "audit archive --from 2026-01-01 --till 2026-01-01 --out old.jsonl --yes",
                "",
            )
        })
    },
    one("restore", World::peopled, |world| {
        world.ok("recovery-codes generate bob");
        world.ok("backup copy.db");
        world.ok("user add carol");
        world.ok("recovery-codes generate bob");
        Line::new("restore copy.db --yes", "")
    }),
    one("apply", World::peopled, |world| {
        let mut policy = "version = 1\n[settings]\nTotpDriftSteps = 2\n[methods.totp]\nenabled = true\n[groups.Staff]\nusers = ['alice', 'u7']\n".to_owned();
        for at in 0..60 {
            policy.push_str(&format!("[users.u{at}]\nemail = 'u{at}@example.com'\n"));
        }
        world.write("policy.toml", &policy);
        Line::new("apply policy.toml --yes", "")
    }),
    one("user import", World::peopled, |world| {
        // More than get a row of their own in the log, and some who are there.
        let mut csv = "login,name,email\nalice,Alice A.,\nbob,,bob@example.org\n".to_owned();
        for at in 0..1200 {
            csv.push_str(&format!("u{at},User {at},u{at}@example.com\n"));
        }
        world.write("people.csv", &csv);
        Line::new("user import people.csv --yes --on-conflict update", "")
    }),
    one("authenticator connect", World::peopled, |_| {
        Line::new("authenticator connect alice", "")
    }),
    Case {
        again: &[3, 4],
        ..one("authenticator confirm", World::peopled, |world| {
            let enrolment = world.json("authenticator connect alice");
            let code = world.app(enrolment["secret"].as_str().unwrap());
            Line::new(format!("authenticator confirm alice --code {code}"), "")
        })
    },
    one("authenticator disconnect", World::peopled, |world| {
        app(world, "alice");
        Line::new("authenticator disconnect alice --yes", "")
    }),
    one("recovery-codes generate", World::peopled, |world| {
        world.ok("recovery-codes generate alice");
        Line::new("recovery-codes generate alice", "")
    }),
    one("recovery-codes delete", World::peopled, |world| {
        world.ok("recovery-codes generate alice");
        Line::new("recovery-codes delete alice --yes", "")
    }),
    one("password set", World::peopled, |_| {
        Line::new("password set bob --password-stdin", "another-pw\n")
    }),
    // The try is reserved, settled, and the new password written.
    Case {
        commits: 3,
        again: &[10],
        ..one("password change", World::peopled, |world| {
            world.ok("setting set PasswordHistoryRecordCount 3");
            Line::new(
                "password change alice --password-stdin --new-password-stdin",
                "alice-pw\nfresh-pw\n",
            )
        })
    },
    // The message leaves after the answer, by a program of its own, so nobody is told here.
    one("password recover", World::peopled, |world| {
        world.ok("setting set SSPRegistrationMailbox trial");
        Line::new("password recover nobody", "")
    }),
    one("group add", World::peopled, |_| {
        Line::new("group add Helpdesk", "")
    }),
    // By its old name it is not there any more.
    Case {
        again: &[3],
        ..one("group edit", World::peopled, |world| {
            world.ok("group add Helpdesk");
            Line::new("group edit Helpdesk --name Support", "")
        })
    },
    one("group remove", World::peopled, |world| {
        world.ok("group add Helpdesk");
        world.ok("group add-member Helpdesk --user bob");
        world.ok("permission grant CanReset2FA --group Helpdesk --position 1");
        Line::new("group remove Helpdesk --yes --if-exists", "")
    }),
    one("group add-member", World::peopled, |world| {
        world.ok("group add Helpdesk");
        world.ok("group add Night");
        Line::new(
            "group add-member Helpdesk --user alice --user bob --group Night",
            "",
        )
    }),
    one("group remove-member", World::peopled, |world| {
        world.ok("group add Helpdesk");
        world.ok("group add-member Helpdesk --user alice --user bob");
        Line::new(
            "group remove-member Helpdesk --user alice --user bob --yes",
            "",
        )
    }),
    one("permission grant", World::peopled, |_| {
        Line::new(
            "permission grant CanReset2FA --user alice --position 1 --until 'in 7d'",
            "",
        )
    }),
    one("permission deny", World::peopled, |_| {
        Line::new("permission deny CanUse2FA --user alice --position 1", "")
    }),
    one("permission revoke", World::peopled, |world| {
        world.ok("permission grant CanReset2FA --user alice --position 1");
        Line::new("permission revoke CanReset2FA --user alice --yes", "")
    }),
    one("permission move", World::peopled, |world| {
        world.ok("permission grant CanReset2FA --user alice");
        Line::new("permission move CanReset2FA --user alice --position 1", "")
    }),
    one("mailbox add", World::peopled, |_| {
        Line::new(
            "mailbox add ops --smtp smtp://mail.example.com --username ops --password-stdin --from ops@example.com",
            "mail-pw\n",
        )
    }),
    one("mailbox edit", World::peopled, |_| {
        Line::new(
            "mailbox edit trial --smtp smtp://mail.example.com --username ops --password-stdin --from ops@example.com",
            "mail-pw\n",
        )
    }),
    one("mailbox remove", World::peopled, |world| {
        world.ok("mailbox add spare --file mail --from ops@example.com");
        Line::new("mailbox remove spare --yes --if-exists", "")
    }),
    Case {
        commits: 2,
        ..one("mailbox test", World::peopled, |_| {
            Line::new("mailbox test trial --to carol@example.com", "")
        })
    },
    one("idp add", World::peopled, |world| {
        world.write("entra.xml", include_str!("../saml/entra.xml"));
        world.write("ours.pem", include_str!("../keys/ours.pem"));
        world.ok("group add Staff");
        Line::new(
            "idp add corp --metadata entra.xml --key-pair ours.pem --group a=Staff",
            "",
        )
    }),
    one("idp edit", World::peopled, |world| {
        corp(world, true);
        world.ok("group add Night");
        Line::new(
            "idp edit corp --key-pair ours.pem --group a=Night b=Staff --add-certificate ours.pem --update-users yes",
            "",
        )
    }),
    one("idp remove", World::peopled, |world| {
        corp(world, false);
        Line::new("idp remove corp --yes --if-exists", "")
    }),
    one("idp enable", World::peopled, |world| {
        corp(world, false);
        Line::new("idp enable corp", "")
    }),
    one("idp disable", World::peopled, |world| {
        corp(world, true);
        Line::new("idp disable corp --yes", "")
    }),
    one("idp default", World::peopled, |world| {
        corp(world, true);
        Line::new("idp default corp", "")
    }),
    one("oauth-client add", World::peopled, |world| {
        world.ok("user add robot --type technical");
        Line::new("oauth-client add billing --user robot", "")
    }),
    one("oauth-client edit", World::peopled, |world| {
        client(world);
        Line::new("oauth-client edit billing --active no --scope read", "")
    }),
    one("oauth-client remove", World::peopled, |world| {
        client(world);
        Line::new("oauth-client remove billing --yes --if-exists", "")
    }),
    one("oauth-client token", World::peopled, |world| {
        let secret = client(world) + "\n";
        Line::new(
            "oauth-client token billing --client-secret-stdin",
            Box::leak(secret.into_boxed_str()),
        )
    }),
    one("oauth-client rotate-secret", World::peopled, |world| {
        client(world);
        Line::new("oauth-client rotate-secret billing --keep-old-for 1h", "")
    }),
    one("sms-provider add", World::peopled, |_| {
        Line::new(
            "sms-provider add ops --smpp smsc.example.com:2775 --username ops --password-stdin",
            "sms-pw\n",
        )
    }),
    one("sms-provider edit", World::peopled, |world| {
        world.ok("sms-provider add text --file sms");
        Line::new(
            "sms-provider edit text --twilio --account AC1 --token-stdin --from +493012345678",
            "sms-pw\n",
        )
    }),
    one("sms-provider remove", World::peopled, |world| {
        world.ok("sms-provider add text --file sms");
        Line::new("sms-provider remove text --yes --if-exists", "")
    }),
    Case {
        commits: 2,
        ..one("sms-provider test", World::peopled, |world| {
            world.ok("sms-provider add text --file sms");
            Line::new("sms-provider test text --to +493012345678", "")
        })
    },
    Case {
        commits: 3,
        // A code that was sent cannot be sent once more; one that may be on its way must be waited for.
        again: &[4],
        ..one("outbox retry", World::with_email, |world| {
            std::fs::rename(world.file("mail"), world.file("away")).unwrap();
            world
                .run("login start alice --password-stdin")
                .stdin("alice-pw\n")
                .exits(1);
            std::fs::rename(world.file("away"), world.file("mail")).unwrap();
            Line::new("outbox retry 1", "")
        })
    },
    one("template set", World::peopled, |_| {
        Line::new(
            "template set '2FA SMS code' --text-file -",
            "#SecondFactorCode#",
        )
    }),
    one("template reset", World::peopled, |world| {
        world.ok("template set '2FA SMS code' --text '#SecondFactorCode#'");
        world.ok("template set '2FA SMS code' --language es --text '#SecondFactorCode#'");
        Line::new("template reset '2FA SMS code' --all", "")
    }),
    Case {
        commits: 4,
        ..one("login start", World::with_email, |_| {
            Line::new("login start alice --password-stdin", "alice-pw\n").exits(18)
        })
    },
    // A wrong password.
    Case {
        commits: 2,
        ..one("login start", World::with_email, |_| {
            Line::new("login start alice --password-stdin", "wrong\n").exits(10)
        })
    },
    // No second factor: granted.
    Case {
        commits: 2,
        ..one("login start", World::peopled, |_| {
            Line::new("login start alice --password-stdin", "alice-pw\n")
        })
    },
    // An app must be connected first.
    Case {
        commits: 3,
        ..one("login start", World::peopled, |world| {
            world.ok("method enable totp --primary");
            world.ok("setting set Enable2FA on --yes");
            Line::new("login start alice --password-stdin", "alice-pw\n").exits(16)
        })
    },
    // And is, by its first code: connected and granted in one.
    Case {
        again: &[12],
        ..one("login verify", World::peopled, |world| {
            world.ok("method enable totp --primary");
            world.ok("setting set Enable2FA on --yes");
            let verdict = world
                .run("login start alice --password-stdin -o json")
                .stdin("alice-pw\n")
                .json(16);
            let code = world.app(verdict["enrolment"]["secret"].as_str().unwrap());
            let challenge = verdict["challenge"].as_str().unwrap();
            Line::new(format!("login verify {challenge} --code {code}"), "")
        })
    },
    Case {
        commits: 2,
        // The message may have left: it counts as sent.
        again: &[4],
        ..one("login resend", World::with_email, |world| {
            let challenge = asked(world);
            world.later(31);
            Line::new(format!("login resend {challenge}"), "").exits(18)
        })
    },
    Case {
        again: &[12],
        ..one("login verify", World::with_email, |world| {
            let challenge = asked(world);
            let code = world.code();
            Line::new(format!("login verify {challenge} --code {code}"), "")
        })
    },
    // A wrong code, and the one that locks.
    one("login verify", World::with_email, |world| {
        let challenge = asked(world);
        Line::new(format!("login verify {challenge} --code 000000"), "").exits(11)
    }),
    one("login verify", World::with_email, |world| {
        world.ok("setting set SecondFactorAttemptCount 1");
        let challenge = asked(world);
        Line::new(format!("login verify {challenge} --code 000000"), "").exits(14)
    }),
    // A code of an app is consumed with the grant.
    Case {
        again: &[12],
        ..one("login verify", World::peopled, |world| {
            let secret = app(world, "alice");
            let challenge = asked(world);
            let code = world.app(&secret);
            Line::new(format!("login verify {challenge} --code {code}"), "")
        })
    },
    // A recovery code too.
    Case {
        again: &[12],
        ..one("login verify", World::peopled, |world| {
            world.ok("method enable recovery-codes");
            app(world, "alice");
            let codes = world.json("recovery-codes generate alice");
            let challenge = asked(world);
            let code = codes["codes"][0].as_str().unwrap();
            Line::new(
                format!("login verify {challenge} --method recovery-codes --code {code}"),
                "",
            )
        })
    },
    Case {
        again: &[3, 4, 12],
        ..one("login cancel", World::with_email, |world| {
            Line::new(format!("login cancel {}", asked(world)), "")
        })
    },
    Case {
        commits: 4,
        again: &[12],
        ..one("login simulate", World::peopled, |world| {
            let secret = app(world, "alice");
            let code = world.app(&secret);
            Line::new(
                format!("login simulate alice --password-stdin --code {code}"),
                "alice-pw\n",
            )
        })
    },
    one("audit archive", World::with_email, |_| {
        Line::new(
            "audit archive --from 2026-01-01 --till 2026-01-01 --event user --out old.jsonl --yes",
            "",
        )
    }),
    // New keys; one sealed value; the old keys go.
    Case {
        commits: 3,
        ..one("key rotate", World::peopled, |world| {
            app(world, "alice");
            Line::new("key rotate --yes", "")
        })
    },
    Case {
        commits: 3,
        ..one("key rotate", World::peopled, |world| {
            app(world, "alice");
            world.ok("recovery-codes generate alice");
            Line::new("key rotate --compromised --yes", "")
        })
    },
    // The key goes out of its file before the row of that is there.
    Case {
        again: &[3],
        ..one("key retire", World::peopled, |world| {
            let made = world.json("key rotate --yes");
            let old = made["retirable"][0].as_str().unwrap().to_owned();
            Line::new(format!("key retire {old} --yes"), "")
        })
    },
];
