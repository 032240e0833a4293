//! Each call that touches a file fails in turn.
//!
//! First a command is watched, and its calls counted; then it is run again for each of them, which fails as the system
//! says it may: once, from then on, with every later call that would change a file, or after half of a write.

use std::collections::BTreeSet;

use nix::errno::Errno;

use super::case::Subject;
use super::image::Image;
use super::shim::{Call, Class, Fault, counts};
use super::{Tally, each};
use crate::remains::{Moments, seed, times};
use crate::world::Done;

/// How many calls of a class fail, of each command; beyond, they are drawn.
const NUMBERS: u64 = 3;

/// How a call of a class can fail.
fn ways(class: Class) -> &'static [(Errno, &'static str)] {
    match class {
        Class::Open => &[
            (Errno::EIO, "once"),
            (Errno::EMFILE, "once"),
            (Errno::EACCES, "on"),
            (Errno::ENOSPC, "on"),
        ],
        Class::Read => &[(Errno::EIO, "once"), (Errno::EIO, "on"), (Errno::EINTR, "once")],
        Class::Write => &[
            (Errno::ENOSPC, "once"),
            (Errno::ENOSPC, "short"),
            (Errno::EIO, "dead"),
            (Errno::EDQUOT, "on"),
            (Errno::EIO, "once"),
            (Errno::EROFS, "dead"),
            (Errno::EINTR, "once"),
        ],
        Class::Sync => &[
            (Errno::EIO, "once"),
            (Errno::EIO, "dead"),
            (Errno::ENOSPC, "once"),
            (Errno::EDQUOT, "on"),
        ],
        Class::Rename => &[
            (Errno::EIO, "once"),
            (Errno::ENOSPC, "once"),
            (Errno::EROFS, "dead"),
            (Errno::EACCES, "once"),
        ],
        Class::Unlink => &[(Errno::EIO, "once"), (Errno::EROFS, "dead")],
        Class::Truncate => &[(Errno::EIO, "once"), (Errno::ENOSPC, "once")],
        Class::Mkdir => &[(Errno::ENOSPC, "once"), (Errno::EACCES, "once")],
        Class::Map => &[(Errno::ENOMEM, "once"), (Errno::ENOMEM, "on")],
        Class::Owner => &[(Errno::EPERM, "once"), (Errno::EIO, "once")],
    }
}

/// The calls that fail: the first and the last of each class, and some between, each in one of its ways or in all.
fn faults(calls: &[Call], coins: &mut Moments) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (class, count) in counts(calls) {
        let most = usize::try_from(NUMBERS * times()).unwrap();
        let mut numbers: BTreeSet<usize> = BTreeSet::from([1, count]);
        if count <= most {
            numbers = (1..=count).collect();
        }
        while numbers.len() < most.min(count) {
            let draw = coins.next() % u64::try_from(count).unwrap();
            numbers.insert(usize::try_from(draw).unwrap() + 1);
        }
        let ways = ways(class);
        for number in numbers {
            let draw = usize::try_from(coins.next() % u64::try_from(ways.len()).unwrap()).unwrap();
            let chosen = if times() > 1 { ways } else { &ways[draw..=draw] };
            faults.extend(chosen.iter().map(|(errno, how)| Fault {
                class,
                number,
                errno: *errno as i32,
                how,
            }));
        }
    }
    faults
}

/// Whether a call failed that leaves a message, not the store: then the command goes on and says so.
fn is_delivery(calls: &[Call]) -> bool {
    calls.iter().any(|call| {
        let mut parts = call.path.components();
        call.error != 0 && parts.any(|part| matches!(part.as_os_str().to_str(), Some("mail" | "sms")))
    })
}

/// Whether a command says what it did.
fn is_honest(subject: &Subject, done: &Done, state: Option<usize>, what: &str) {
    let said = format!("{}{}", done.stdout, done.stderr);
    let says = |words: &str| said.contains(words);
    assert!(!says("panicked"), "{what}: {done:?}");
    let Some(code) = done.code else {
        panic!("{what}: it was ended by a signal: {done:?}");
    };
    let state = state.unwrap_or(subject.last());
    if code == subject.line.exit {
        let is_done = state == subject.last() || says("the refusal could not be recorded");
        assert!(is_done, "{what}: it says that it is done: {done:?}");
        return;
    }
    // A store that could not be read a moment ago and can be now is another one.
    let is_other = code == 4 && state == 0 && says("than a moment ago");
    assert!(code == 1 || is_other, "{what}: neither done nor failed: {done:?}");
    assert!(done.stdout.is_empty(), "{what}: an answer of what failed: {done:?}");
    if state == subject.last() {
        let tells = ["had changed the store before it failed", "it is there and whole"];
        assert!(tells.iter().any(|words| says(words)), "{what}: failed, and is there: {done:?}");
        let denies = says("it is as it was before") || says("nothing was changed");
        assert!(!denies, "{what}: it is not as it was before: {done:?}");
    }
}

fn fail(subject: &Subject, seed: u64, tally: &Tally) {
    let mut coins = Moments(seed);
    let mut judged = BTreeSet::new();
    for fault in faults(&subject.calls, &mut coins) {
        let what = format!("{}: {fault:?} (TWOFA_PEER_SEED={seed})", subject.name);
        subject.before.put(subject.world.path());
        let (done, calls) = subject.run(Some(fault));
        tally.add("calls that failed", 1);
        let delivery = is_delivery(&calls);
        let state = if delivery {
            None
        } else {
            Some(subject.state_now(&format!("{what}: {done:?}")))
        };
        is_honest(subject, &done, state, &what);
        let kind = match (state, done.code == Some(subject.line.exit)) {
            (None, _) => "messages not sent",
            (_, true) => "got over",
            (Some(0), false) => "before",
            (Some(at), false) if at == subject.last() => "there, and said so",
            (Some(_), false) => "between",
        };
        tally.add(kind, 1);
        let what = format!("{what}: {done:?}");
        let names: Vec<_> = Image::of(subject.world.path()).0.into_keys().collect();
        if times() == 1 && !judged.insert((state, names)) {
            continue;
        }
        tally.add("judged by twofa", 1);
        match state {
            Some(state) => subject.judge(state, &what),
            None => subject.holds(subject.last(), &what),
        }
    }
}

#[test]
fn each_call_fails() {
    let seed = seed();
    each(seed, fail);
}
