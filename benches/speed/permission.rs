//! Permission resolution: what it costs follows the groups that a user is in, and not how many users there are.

use std::time::Instant;

use twofa::actor::Session;
use twofa::error::Result;
use twofa::user;
use twofa::verb::Operation;

use crate::world::{CHAINS, DEPTH, World, fail};
use crate::{ROUNDS, at_most, heading, line, median};

/// Resolutions of one measurement.
const TIMES: u64 = 2_000;

/// Seconds for one resolution, of users that jump.
fn resolve(world: &World, session: &mut Session, turn: &mut u64) -> Result<f64> {
    let mut users = Vec::new();
    for _ in 0..TIMES {
        *turn = turn.wrapping_add(1_299_709);
        let number = *turn % world.users;
        users.push((number, user::get(&session.store, world.id(number))?));
    }
    let mut granted = 0;
    let from = Instant::now();
    for (_, user) in &users {
        session.actor.user = user.clone();
        granted += u64::from(session.has(Operation::CanReset2FA)?);
    }
    let took = from.elapsed().as_secs_f64();
    // The top of every second chain is on the list: who is below one has it, and nobody else.
    let below = users
        .iter()
        .filter(|(number, _)| (number % CHAINS).is_multiple_of(2));
    let expected = below.count() as u64;
    if granted != expected {
        fail(
            "these are the wrong permissions",
            &format!("{granted} of {expected}"),
        );
    }
    Ok(took / f64::from(u32::try_from(TIMES).unwrap_or(1)))
}

/// The time among a million users and among a hundred, in the same tree of groups.
pub fn among_many(few: &World, many: &World) -> Result<()> {
    let groups = CHAINS * DEPTH;
    let title = format!("One permission, {groups} groups, {DEPTH} above each user");
    heading(&title, "1,000,000", "100 users");
    let (mut of_few, mut of_many) = (few.session()?, many.session()?);
    let (mut turn, mut rounds) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let first = resolve(few, &mut of_few, &mut turn)?;
        let ours =
            resolve(many, &mut of_many, &mut turn)? + resolve(many, &mut of_many, &mut turn)?;
        let last = resolve(few, &mut of_few, &mut turn)?;
        rounds.push((ours / 2.0, first.midpoint(last)));
    }
    let of = |pick: &dyn Fn((f64, f64)) -> f64| {
        median(rounds.iter().map(|round| pick(*round)).collect())
    };
    let ratio = of(&|(many, few)| many / few);
    line(
        "Session::has",
        &format!("{:.1} us", of(&|(many, _)| many * 1e6)),
        &format!("{:.1} us", of(&|(_, few)| few * 1e6)),
        ratio,
        &at_most(ratio, 1.5),
    );
    Ok(())
}
