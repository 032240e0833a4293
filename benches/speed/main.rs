//! How fast it is, as ratios against something else measured beside it in the same run: `cargo bench --bench speed`.
//!
//! Words after `--` choose parts: `command`, `verify`, `scale`, `permission`, `coverage`, `million`, `doctor`, `trust`, `list`, `policy`, `import`, `timing`; without one all of them run, which takes some
//! minutes, `timing` half an hour, and four gigabytes under `target`. Each figure is the median of five rounds; the sides of a ratio take turns
//! within a round. `TWOFA_BENCH_DIR` names a directory on the disk to measure, else it is `target/tmp`. Nothing is asserted: a slow machine is not a broken program, and whoever reads the table judges.

#![expect(
    clippy::disallowed_methods,
    reason = "whoever measures looks at the machine's clock, and is told what and where to measure"
)]

mod commands;
mod coverage;
mod doctor;
mod import;
mod list;
mod permission;
mod policy;
mod timing;
mod trust;
mod verify;
mod world;

use crate::world::{World, fail};

/// Rounds of each measurement.
const ROUNDS: usize = 5;

fn main() {
    // `cargo test --all-targets` runs this file too, without the word that `cargo bench` adds.
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        return say("run it with `cargo bench --bench speed`");
    }
    if let Err(error) = run(&words) {
        fail("cannot measure", &error);
    }
}

fn run(words: &[String]) -> twofa::error::Result<()> {
    let chosen: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wants = |part: &str| chosen.is_empty() || chosen.contains(&part);
    if wants("command") || wants("verify") {
        let ten_thousand = World::of(10_000)?;
        if wants("command") {
            commands::against_the_shell(&ten_thousand)?;
        }
        if wants("verify") {
            verify::against_a_bare_loop(&ten_thousand)?;
        }
    }
    if wants("policy") {
        policy::against_a_bare_read(&World::of(0)?);
    }
    if wants("import") {
        import::against_the_shell(&World::of(0)?);
    }
    if wants("trust") {
        trust::verify(&World::of(100)?)?;
        trust::rotate(&trust::world()?)?;
    }
    if wants("list") {
        list::among_ten_millions(&World::of(100)?)?;
    }
    if wants("timing") {
        let world = timing::world()?;
        timing::of_digits(&world)?;
        timing::of_first_factors(&world)?;
    }
    if wants("doctor") {
        doctor::beside_what_it_stands_on(&World::of(1_000_000)?)?;
    }
    if ["scale", "permission", "coverage", "million"]
        .iter()
        .any(|part| wants(part))
    {
        let (few, many) = (World::of(100)?, World::of(1_000_000)?);
        if wants("scale") {
            verify::among_many(&few, &many)?;
        }
        if wants("permission") || wants("coverage") {
            few.nest_groups()?;
            many.nest_groups()?;
        }
        if wants("permission") {
            permission::among_many(&few, &many)?;
        }
        if wants("coverage") {
            coverage::of_everybody(&few, &many);
        }
        if wants("million") {
            commands::among_many(&few, &many)?;
        }
    }
    Ok(())
}

/// The middle of an odd number of measurements.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A line of the table: what was measured, both sides, their ratio, and the limit with a word, where there is one.
fn line(what: &str, ours: &str, theirs: &str, ratio: f64, verdict: &str) {
    say(&format!(
        "  {what:<44} {ours:>12} {theirs:>12} {ratio:>7.2}  {verdict}"
    ));
}

fn heading(title: &str, ours: &str, theirs: &str) {
    say(&format!(
        "\n{title}\n  {:<44} {ours:>12} {theirs:>12} {:>7}",
        "", "ratio"
    ));
}

fn at_most(ratio: f64, limit: f64) -> String {
    let word = if ratio <= limit { "pass" } else { "FAIL" };
    format!("{word} (at most {limit})")
}

fn at_least(ratio: f64, limit: f64) -> String {
    let word = if ratio >= limit { "pass" } else { "FAIL" };
    format!("{word} (at least {limit})")
}

#[expect(clippy::print_stdout, reason = "the table is the answer of a bench")]
fn say(text: &str) {
    println!("{text}");
}
