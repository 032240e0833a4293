//! Whether the time of an answer tells what must not be told: who exists, who is inactive, who has no password, and how
//! much of a code was right.
//!
//! Sides are measured one answer at a time, in rounds whose order is drawn anew from a fixed seed, so that a machine that
//! is busy meanwhile is busy for all of them. Nothing is left out. A side is told by Welch's t beyond 4.5, or by a median
//! that is more than a hundredth away. The first line is a control: two sides that are the same.
//!
//! `TWOFA_BENCH_PAIRS` is how many pairs (10,000), `TWOFA_BENCH_DIR` where: a file system in memory has the least noise.

use std::time::Instant;

use twofa::actor::{Process, Session};
use twofa::audit::Who;
use twofa::clock::{Source as _, System};
use twofa::error::{Kind, Result};
use twofa::login::decide::Channel;
use twofa::login::run::{self, Start};
use twofa::login::verdict::Outcome;
use twofa::method::Method;
use twofa::secret::Secret;
use twofa::vault::Label;
use twofa::verb::verb;

use crate::say;
use crate::world::{PASSWORD, SENT, World, fail};

/// Pairs of each class.
const PAIRS: usize = 10_000;
/// Beyond this two means are told apart (as in the literature on leakage).
const TOLD: f64 = 4.5;
/// How far a median may be away.
const NEAR: f64 = 0.01;
/// Users of one class: answers are about any of them.
const OF_A_CLASS: u64 = 300;
/// Everybody's app.
const SECRET: [u8; 20] = *b"12345678901234567890";

/// An order that is the same in every run.
struct Order(u64);

impl Order {
    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn shuffle(&mut self, sides: &mut [usize]) {
        for last in (1..sides.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            sides.swap(last, other);
        }
    }
}

fn pairs() -> usize {
    let asked = std::env::var("TWOFA_BENCH_PAIRS").ok();
    asked.map_or(PAIRS, |text| {
        text.parse()
            .unwrap_or_else(|error| fail("TWOFA_BENCH_PAIRS is no number", &error))
    })
}

/// Seconds of each side, answer by answer; in each round every side answers once.
fn measure(
    sides: usize,
    mut answer: impl FnMut(usize, &mut Order) -> Result<f64>,
) -> Result<Vec<Vec<f64>>> {
    let mut order = Order(20_261_128);
    let mut took = vec![Vec::new(); sides];
    let mut turn: Vec<usize> = (0..sides).collect();
    // What is read for the first time is read by nobody's clock.
    for _ in 0..20 {
        for side in 0..sides {
            answer(side, &mut order)?;
        }
    }
    for _ in 0..pairs() {
        order.shuffle(&mut turn);
        for side in &turn {
            let seconds = answer(*side, &mut order)?;
            took[*side].push(seconds);
        }
    }
    Ok(took)
}

struct Summary {
    median: f64,
    mean: f64,
    /// Of the mean.
    variance: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of measurements is far below 2^52"
)]
fn summary(of: &[f64]) -> Summary {
    let count = of.len() as f64;
    let mean = of.iter().sum::<f64>() / count;
    let squares: f64 = of.iter().map(|one| (one - mean).powi(2)).sum();
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    Summary {
        median: sorted[of.len() / 2].midpoint(sorted[(of.len() - 1) / 2]),
        mean,
        variance: squares / (count - 1.0) / count,
    }
}

/// One line: medians, their ratio, the difference of the means and Welch's t.
fn compare(what: &str, side: &[f64], base: &[f64]) {
    let (side, base) = (summary(side), summary(base));
    let t = (side.mean - base.mean) / (side.variance + base.variance).sqrt();
    let ratio = side.median / base.median;
    let same = t.abs() < TOLD && (ratio - 1.0).abs() <= NEAR;
    say(&format!(
        "  {what:<34} {:>11.1} {:>11.1} {ratio:>8.4} {:>9.1} {t:>8.2}  {}",
        side.median * 1e6,
        base.median * 1e6,
        (side.mean - base.mean) * 1e6,
        if same { "pass" } else { "FAIL" }
    ));
}

fn heading(title: &str, base: &str) {
    say(&format!(
        "\n{title}: {} pairs, in microseconds\n  {:<34} {:>11} {base:>11} {:>8} {:>9} {:>8}",
        pairs(),
        "",
        "median",
        "ratio",
        "means",
        "t"
    ));
}

/// Who tries a password.
#[derive(Clone, Copy)]
enum Class {
    WrongPassword,
    Again,
    Unknown,
    Inactive,
    InactiveRight,
    WithoutPassword,
    Locked,
}

const CLASSES: [(Class, &str); 7] = [
    (Class::WrongPassword, "wrong password"),
    (Class::Again, "the same again (control)"),
    (Class::Unknown, "unknown user"),
    (Class::Inactive, "inactive, wrong password"),
    (Class::InactiveRight, "inactive, right password"),
    (Class::WithoutPassword, "without a password"),
    (Class::Locked, "locked, wrong password"),
];

/// Makes the classes: users in turn.
pub fn world() -> Result<World> {
    let classes = CLASSES.len() as u64;
    let world = World::of(OF_A_CLASS * classes)?;
    let db = world.bare()?;
    for number in 0..world.users {
        let id = world.id(number);
        let sql = match CLASSES[usize::try_from(number % classes).unwrap_or(0)].0 {
            Class::Inactive | Class::InactiveRight => "UPDATE user SET active = 0 WHERE id = ?1",
            Class::WithoutPassword => {
                "UPDATE user SET password_hash = NULL, password_changed_at = NULL WHERE id = ?1"
            }
            Class::Locked => "UPDATE user SET locked_until_at = 4000000000 WHERE id = ?1",
            _ => continue,
        };
        db.execute(sql, [id])?;
    }
    let store = world.open()?;
    for number in 0..world.users {
        let id = world.id(number);
        let sealed =
            store
                .vault()?
                .seal(Label("authenticator.secret"), id, &SECRET, store.source())?;
        db.execute(
            "UPDATE authenticator SET secret = ?1 WHERE id = ?2",
            rusqlite::params![sealed, id],
        )?;
    }
    Ok(world)
}

/// Every refusal of a first factor beside that of a wrong password.
pub fn of_first_factors(world: &World) -> Result<()> {
    let verb = verb("login start")?;
    let session = Session::begin(world.open()?, verb, &Process::default(), None, None)?;
    let (wrong, right) = (
        Secret::from("correct horse battery stable"),
        Secret::from(PASSWORD),
    );
    let classes = CLASSES.len() as u64;
    let took = measure(CLASSES.len(), |side, order| {
        let number = order.below(OF_A_CLASS) * classes + side as u64;
        let (login, password) = match CLASSES[side].0 {
            Class::Unknown => (World::login(5_000_000 + number), &wrong),
            Class::InactiveRight => (World::login(number), &right),
            _ => (World::login(number), &wrong),
        };
        let start = Start {
            login: &login,
            password,
            method: None,
            channel: Channel::Web,
        };
        let from = Instant::now();
        let verdict = run::start(&session, &start)?;
        let took = from.elapsed().as_secs_f64();
        if verdict.outcome != Outcome::Denied(Kind::FirstFactorWrong) {
            fail("this is not a wrong first factor", &CLASSES[side].1);
        }
        Ok(took)
    })?;
    heading("First factor refused", "wrong pw.");
    for (side, (_, name)) in CLASSES.iter().enumerate().skip(1) {
        compare(name, &took[side], &took[0]);
    }
    Ok(())
}

/// A code that is wrong in its first digit beside one that is wrong in its last.
pub fn of_digits(world: &World) -> Result<()> {
    heading("Second factor, first digit wrong", "last digit");
    for (method, name) in [(Method::Email, "email"), (Method::Totp, "app")] {
        let (store, who) = (world.open()?, Who::default());
        let app = totp_rs::Builder::new()
            .with_secret(SECRET.to_vec())
            .build()
            .unwrap_or_else(|error| fail("no app", &error));
        // The third side is the second again, for the control.
        let took = measure(3, |side, order| {
            // Of the class that nothing was done to.
            let token = World::challenge(order.below(OF_A_CLASS) * CLASSES.len() as u64);
            let now = u64::try_from(System.now().0).unwrap_or(0);
            let right = match method {
                Method::Totp => app.generate(now).to_string(),
                _ => SENT.to_owned(),
            };
            let code = Secret::new(spoiled(&right, if side == 0 { 0 } else { 5 }));
            let from = Instant::now();
            let verdict = run::answer(&store, &who, &token, &code, Some(method))?;
            let took = from.elapsed().as_secs_f64();
            // Another step of the app may show it, three times in a million.
            if verdict.outcome != Outcome::Denied(Kind::SecondFactorWrong) {
                fail("this is not a wrong code", &name);
            }
            Ok(took)
        })?;
        compare(
            &format!("{name}, last digit again (control)"),
            &took[2],
            &took[1],
        );
        compare(name, &took[0], &took[1]);
    }
    Ok(())
}

/// The code with one digit replaced.
fn spoiled(code: &str, at: usize) -> String {
    let digits = code.chars().enumerate();
    digits
        .map(|(place, digit)| match digit {
            digit if place != at => digit,
            '9' => '0',
            digit => char::from(digit as u8 + 1),
        })
        .collect()
}
