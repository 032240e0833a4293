//! The way through an identity provider, told rule by rule: who goes there and why, whom it may speak for, and what it has
//! to say of a second factor.
//!
//! Whether it lets them in there, nobody here knows. What is told is what comes of it if it does.

use serde_json::{Value, json};

use super::super::decide::{self, Channel, Next};
use super::super::trail::{Known, Step};
use super::super::verdict::Outcome;
use super::words::{CONTINUES, Teller, Told, denied};
use super::{Explanation, Question, Rule};
use crate::error::{Kind, Result};
use crate::idp::{self, Brought, Idp, Stored, Taken};
use crate::name::{argument, visible};
use crate::setting;
use crate::user::Type;

/// A provider, and what is to be known of it for one user.
pub(super) struct Sent {
    idp: Idp,
    certificates: Vec<Stored>,
    /// The last login of the user through it.
    last: Option<Brought>,
    /// Whether the question named it.
    named: bool,
}

/// The provider that a login goes through; `None`: it goes by password, as everything does that wishes for a method or
/// comes by another channel than the page.
///
/// # Errors
/// [`Kind::NotFound`] for a provider that was named.
pub(super) fn sent(teller: &Teller<'_>, question: &Question<'_>) -> Result<Option<Sent>> {
    let (store, system, person) = (teller.store, teller.system, teller.person);
    let may = question.channel == Channel::Web && question.method.is_none();
    let goes = decide::must_use_sso(system, person)
        || !person.user.has_password && person.through.is_some();
    let idp = match question.idp {
        Some(name) => Some(idp::find(store, name)?),
        None if goes && may => {
            let own = system.provider_of(person);
            own.map(|id| idp::get(store, id)).transpose()?
        }
        None => None,
    };
    let Some(idp) = idp else { return Ok(None) };
    let logins = idp::of_user(store, person.user.id)?;
    Ok(Some(Sent {
        certificates: idp::certificates(store, idp.id)?,
        last: logins.into_iter().find(|login| login.idp == idp.id),
        named: question.idp.is_some(),
        idp,
    }))
}

/// Explains the login of somebody whom a provider lets in.
pub(super) fn explain(
    teller: &Teller<'_>,
    question: &Question<'_>,
    sent: &Sent,
) -> Result<Explanation> {
    let person = teller.person;
    let (idp, now) = (&sent.idp, teller.store.now());
    let takes = idp.takes(person.user.kind);
    let mut trail = Vec::new();
    let mut next = decide::after_sso(person, idp.administrators, takes, now, &mut trail);
    // Of a provider that is not enabled nothing else matters, and without a certificate nothing it says is believed.
    let barred = match (idp.enabled, sent.certificates.is_empty()) {
        (false, _) => Some(Next::Denied(Kind::InvalidValue, "disabled")),
        (true, true) => Some(Next::Denied(Kind::SsoRefused, "no_certificate")),
        (true, false) => None,
    };
    let at = trail
        .iter()
        .position(|step| matches!(step, Step::Idp { .. }));
    if let (Some(barred), Some(at)) = (barred, at) {
        next = barred;
        trail.truncate(at + 1);
    }
    let mut steps = Vec::new();
    for step in trail {
        match step {
            Step::Type(kind) => steps.push(teller.goes(kind).rule("type", CONTINUES)),
            Step::Idp { .. } => {
                steps.push(teller.sends(sent).rule("sso", CONTINUES));
                steps.push(teller.speaks(sent, teller.tell(step)?));
            }
            Step::Active(false) => steps.push(Rule {
                because: "The account is deactivated.".to_owned(),
                ..teller.tell(step)?
            }),
            other => steps.push(teller.tell(other)?),
        }
    }
    let outcome = match next {
        Next::Denied(kind, _) => Outcome::Denied(kind),
        _ => Outcome::Redirect,
    };
    if outcome == Outcome::Redirect {
        steps.push(teller.asserts(sent).rule("second_factor", CONTINUES));
    }
    if let Some(last) = steps.last_mut() {
        last.effect = outcome.code();
    }
    Ok(Explanation {
        outcome,
        reason: outcome.kind().map(Kind::code),
        user: person.user.login.clone(),
        at: now,
        channel: question.channel.code(),
        idp: Some(idp.name.clone()),
        method: None,
        methods: Vec::new(),
        summary: teller.through(sent, &next),
        change_with: changes(outcome, &steps),
        steps,
    })
}

/// What would change it: of a login that is denied the rule that decided, else that it goes there at all.
fn changes(outcome: Outcome, steps: &[Rule]) -> Vec<String> {
    let decided = if outcome == Outcome::Redirect {
        steps.iter().find(|rule| rule.rule == "sso")
    } else {
        steps.last()
    };
    decided
        .and_then(|rule| rule.change_with.clone())
        .into_iter()
        .collect()
}

fn edit(idp: &Idp, how: &str) -> String {
    format!("twofa idp edit {} {how}", argument(&idp.name))
}

/// Users of a type, and the option of a provider that is about them.
fn whom(kind: Type) -> (&'static str, &'static str) {
    match kind {
        Type::Employee => ("employees", "--employees"),
        Type::External => ("external users", "--externals"),
        Type::Technical => ("technical users", "--employees"),
    }
}

/// What lets employees log in with a password again.
fn let_passwords() -> String {
    format!(
        "twofa setting set {} off",
        setting::NO_INTERNAL_PASSWORDS.code
    )
}

impl Teller<'_> {
    fn goes(&self, kind: Type) -> Told {
        let who = self.who();
        let (because, change) = match kind {
            Type::Employee => (format!("{who} is an employee."), None),
            Type::External => (format!("{who} is an external user."), None),
            Type::Technical => (
                format!("{who} is a technical user, and no provider speaks for those."),
                Some(format!("twofa user edit {} --type employee", self.login())),
            ),
        };
        Told {
            fact: json!(kind),
            by: "user type".into(),
            because,
            change,
        }
    }

    /// Why the login goes to a provider, and to this one.
    fn sends(&self, sent: &Sent) -> Told {
        let (who, to) = (self.who(), visible(&sent.idp.name));
        let must = decide::must_use_sso(self.system, self.person);
        let known = decide::provider(self.system, self.person);
        let fact = fact(must, known, Some(&sent.idp.name));
        if sent.named {
            return Told {
                fact,
                by: "the login".into(),
                because: format!("The login names {to}."),
                change: None,
            };
        }
        let which = match known {
            Some(Known::Before) => format!("{who} came through {to} before"),
            _ => format!("{who} came through none so far, and {to} is the default one"),
        };
        if must {
            return Told {
                fact,
                by: format!("setting {}", setting::NO_INTERNAL_PASSWORDS.code),
                because: format!("{}; {which}.", self.must()),
                change: Some(let_passwords()),
            };
        }
        Told {
            fact,
            by: "user password".into(),
            because: format!("No password is set; {which}."),
            change: Some(format!("twofa password set {}", self.login())),
        }
    }

    fn must(&self) -> String {
        format!(
            "Employees have to use single sign-on, and {} is no administrator",
            self.who()
        )
    }

    /// Whether a password of somebody is of use who logs in with one.
    pub(super) fn sso(&self, must: bool, known: Option<Known>) -> Result<Told> {
        let own = self.system.provider_of(self.person);
        let idp = own.map(|id| idp::get(self.store, id)).transpose()?;
        let who = self.who();
        let (because, change) = match &idp {
            Some(idp) if must => (
                format!(
                    "{}: a password is of no use, and the login goes through {}, by the channel `web`.",
                    self.must(),
                    visible(&idp.name)
                ),
                Some(let_passwords()),
            ),
            None if must => {
                let (lacks, change) = self.lacks()?;
                (
                    format!("{}: a password is of no use, and {lacks}.", self.must()),
                    Some(change),
                )
            }
            Some(idp) if known == Some(Known::Before) => (
                format!(
                    "{who} came through {} before; the password is of use all the same{}.",
                    visible(&idp.name),
                    self.exempt()
                ),
                None,
            ),
            _ => (format!("The password is of use{}.", self.exempt()), None),
        };
        Ok(Told {
            fact: fact(must, known, idp.as_ref().map(|idp| idp.name.as_str())),
            by: format!("setting {}", setting::NO_INTERNAL_PASSWORDS.code),
            because,
            change,
        })
    }

    /// Why somebody is no employee who has to use single sign-on, where employees have to.
    fn exempt(&self) -> &'static str {
        match self.person.user.kind {
            _ if !self.system.no_internal_passwords => "",
            Type::Employee => {
                ": only employees who are no administrators have to use single sign-on"
            }
            _ => ": only employees have to use single sign-on",
        }
    }

    /// Why no provider takes them, and what would help.
    fn lacks(&self) -> Result<(String, String)> {
        let default = self.system.default_sso.as_ref();
        let before = idp::of_user(self.store, self.person.user.id)?;
        let nearest = match (default, before.first()) {
            (Some(default), _) => Some(default.clone()),
            (None, Some(before)) => idp::maybe(self.store, before.idp)?,
            (None, None) => None,
        };
        Ok(match nearest {
            Some(idp) if !idp.enabled => (
                format!("{} is not enabled", visible(&idp.name)),
                format!("twofa idp enable {}", argument(&idp.name)),
            ),
            Some(idp) => (
                format!("{} takes no employees", visible(&idp.name)),
                edit(&idp, "--employees existing"),
            ),
            None => (
                "no identity provider takes them".to_owned(),
                "twofa idp default NAME".to_owned(),
            ),
        })
    }

    /// That somebody came through a provider which does not take them any more; `None`: nobody does.
    pub(super) fn gone(&self) -> Result<Option<Rule>> {
        let logins = idp::of_user(self.store, self.person.user.id)?;
        let Some(last) = logins.first().filter(|_| self.person.through.is_none()) else {
            return Ok(None);
        };
        let idp = idp::get(self.store, last.idp)?;
        let (why, change) = if idp.enabled {
            let (whom, option) = whom(self.person.user.kind);
            let change = edit(&idp, &format!("{option} existing"));
            (format!("takes no {whom} any more"), change)
        } else {
            let change = format!("twofa idp enable {}", argument(&idp.name));
            ("is not enabled".to_owned(), change)
        };
        let told = Told {
            fact: fact(false, None, Some(&idp.name)),
            by: format!("idp {}", visible(&idp.name)),
            because: format!(
                "{} last came through {} at {}, which {why}.",
                self.who(),
                visible(&idp.name),
                last.last_login_at
            ),
            change: Some(change),
        };
        Ok(Some(told.rule("sso", CONTINUES)))
    }

    /// Whether a provider may speak for this user, as the decision asks it.
    pub(super) fn spoken_for(&self, takes: Taken, refuses: bool) -> Told {
        let whom = whom(self.person.user.kind).0;
        let because = if takes == Taken::None {
            format!("It takes no {whom}.")
        } else if refuses {
            format!("It takes no administrators, and {} is one.", self.who())
        } else if self.person.administrator {
            format!("It takes {whom}, administrators among them.")
        } else {
            format!("It takes {whom}.")
        };
        Told {
            fact: json!({ "takes": takes, "refuses_administrator": refuses }),
            by: "idp".into(),
            because,
            change: None,
        }
    }

    /// The same of a provider that is known, and whether it is believed at all.
    fn speaks(&self, sent: &Sent, mut rule: Rule) -> Rule {
        let (idp, to) = (&sent.idp, visible(&sent.idp.name));
        let takes = idp.takes(self.person.user.kind);
        let option = whom(self.person.user.kind).1;
        let (because, change) = if !idp.enabled {
            (
                format!("{to} is not enabled."),
                Some(format!("twofa idp enable {}", argument(&idp.name))),
            )
        } else if sent.certificates.is_empty() {
            (
                format!("{to} has no certificate, so that nothing it says is believed."),
                Some(edit(idp, "--add-certificate FILE")),
            )
        } else {
            let change = if takes == Taken::None {
                Some(edit(idp, &format!("{option} existing")))
            } else if self.person.administrator && !idp.administrators {
                Some(edit(idp, "--administrators yes"))
            } else {
                None
            };
            let valid = self.validity(&sent.certificates);
            let because = format!("{to} is enabled, and {valid}. {}", rule.because);
            (because, change)
        };
        let certificates = sent.certificates.iter().map(|one| {
            json!({ "fingerprint": one.fingerprint, "not_before": one.not_before, "not_after": one.not_after })
        });
        rule.fact["name"] = json!(idp.name);
        rule.fact["enabled"] = json!(idp.enabled);
        rule.fact["certificates"] = certificates.collect();
        Rule {
            decided_by: format!("idp {}", visible(&idp.name)),
            because,
            change_with: change,
            ..rule
        }
    }

    /// How long the certificates of a provider are meant to last. Their dates decide nothing: an administrator trusted the
    /// keys.
    fn validity(&self, certificates: &[Stored]) -> String {
        let now = self.store.now();
        let valid = |one: &&Stored| one.not_before <= now && now <= one.not_after;
        match (certificates.iter().find(valid), certificates.first()) {
            (Some(one), _) => format!("it signs with a certificate that ends at {}", one.not_after),
            (None, Some(one)) if now < one.not_before => format!(
                "its certificate begins at {}, which keeps nobody out",
                one.not_before
            ),
            (None, Some(one)) => format!(
                "its certificate ended at {}, which keeps nobody out",
                one.not_after
            ),
            (None, None) => "it has no certificate".to_owned(),
        }
    }

    /// What a provider has to say of a second factor, and what it said last.
    fn asserts(&self, sent: &Sent) -> Told {
        let (idp, to) = (&sent.idp, visible(&sent.idp.name));
        let mut ways: Vec<String> = idp
            .mfa_contexts
            .iter()
            .map(|context| format!("the context {}", visible(context)))
            .collect();
        ways.extend(
            idp.mfa_attribute
                .as_ref()
                .map(|said| format!("the attribute {}", visible(&said.to_string()))),
        );
        let asserted_by = if ways.is_empty() {
            "nothing".to_owned()
        } else {
            ways.join(" or ")
        };
        let has_to = if idp.require_mfa {
            format!("{to} has to assert a second factor, by {asserted_by}")
        } else {
            format!("No second factor is asked for here, and {to} need not assert one")
        };
        let last = match &sent.last {
            None => format!("{} has not come through it yet", self.who()),
            Some(last) => {
                let contexts: Vec<_> = last.contexts.iter().map(|one| visible(one)).collect();
                let said = if last.mfa { "with" } else { "without" };
                let by = if contexts.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", contexts.join(", "))
                };
                format!(
                    "the last login, at {}, was {said} one{by}",
                    last.last_login_at
                )
            }
        };
        let value = if idp.require_mfa { "no" } else { "yes" };
        Told {
            fact: json!({
                "required": idp.require_mfa, "contexts": idp.mfa_contexts,
                "attribute": idp.mfa_attribute.as_ref().map(ToString::to_string),
                "last_login": sent.last.as_ref().map(|last| json!({
                    "at": last.last_login_at, "contexts": last.contexts, "second_factor": last.mfa,
                })),
            }),
            by: format!("idp {}", visible(&idp.name)),
            because: format!("{has_to}; {last}."),
            change: Some(edit(idp, &format!("--require-mfa-context {value}"))),
        }
    }

    /// The verdict.
    fn through(&self, sent: &Sent, next: &Next) -> String {
        let (who, to) = (self.who(), visible(&sent.idp.name));
        match next {
            Next::Denied(kind, why) => {
                format!("{who} cannot log in through {to}: {}.", denied(*kind, why))
            }
            _ => format!("{who} is sent to {to}, which asks for everything else."),
        }
    }
}

fn fact(must: bool, known: Option<Known>, provider: Option<&str>) -> Value {
    let known = known.map(|known| match known {
        Known::Before => "before",
        Known::ByDefault => "default",
    });
    json!({ "required": must, "provider": provider, "known": known })
}
