//! Each call that touches a file fails in turn.
//!
//! First a command is watched, and its calls counted; then it is run again for each of them, which fails as the system
//! says it may: once, from then on, with every later call that would change a file, or after half of a write.

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;
use snapbox::str;

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
        Class::Read => &[
            (Errno::EIO, "once"),
            (Errno::EIO, "on"),
            (Errno::EINTR, "once"),
        ],
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
            let chosen = if times() > 1 {
                ways
            } else {
                &ways[draw..=draw]
            };
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
pub(super) fn is_delivery(calls: &[Call]) -> bool {
    calls.iter().any(|call| {
        let mut parts = call.path.components();
        call.error != 0
            && parts.any(|part| matches!(part.as_os_str().to_str(), Some("mail" | "sms")))
    })
}

/// Whether a command says what it did.
pub(super) fn is_honest(subject: &Subject, done: &Done, state: Option<usize>, what: &str) {
    let said = format!("{}{}", done.stdout, done.stderr);
    let says = |words: &str| said.contains(words);
    assert!(!says("panicked"), "{what}: {done:?}");
    let Some(code) = done.code else {
        panic!("{what}: it was ended by a signal: {done:?}");
    };
    let is_last = state.is_none_or(|state| state == subject.last());
    if code == subject.line.exit {
        let is_done = is_last || says("the refusal could not be recorded");
        assert!(is_done, "{what}: it says that it is done: {done:?}");
        return;
    }
    // A store that could not be read a moment ago and can be now is another one.
    let is_other = code == 4 && state == Some(0) && says("than a moment ago");
    assert!(
        code == 1 || is_other,
        "{what}: neither done nor failed: {done:?}"
    );
    assert!(
        done.stdout.is_empty(),
        "{what}: an answer of what failed: {done:?}"
    );
    if state.is_some() && is_last {
        let tells = [
            "had changed the store before it failed",
            "it may be there or not",
            "it is there and whole",
        ];
        assert!(
            tells.iter().any(|words| says(words)),
            "{what}: failed, and is there: {done:?}"
        );
        let denies = says("it is as it was before") || says("nothing was changed");
        assert!(!denies, "{what}: it is not as it was before: {done:?}");
    }
}

fn fail(subject: &Subject, seed: u64, tally: &Tally) {
    let mut coins = Moments(seed);
    let mut judged: BTreeMap<_, u64> = BTreeMap::new();
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
        let already = judged.entry((state, names)).or_default();
        *already += 1;
        if *already > times() {
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

/// A file that has its name, but may lose it: it is not taken away again, for somebody may have found it.
#[test]
fn a_name_that_may_not_last_is_said_to_be_there() {
    let subject = &Subject::all("backup copy.db")[0]();
    let number = counts(&subject.calls)[&Class::Sync];
    subject.before.put(subject.world.path());
    let (done, _) = subject.run(Some(Fault {
        class: Class::Sync,
        number,
        errno: Errno::EIO as i32,
        how: "once",
    }));
    done.shows(str![[r#"
$ twofa backup copy.db
? 1
--- stderr
error: cannot write `copy.db`: it is there and whole, but its directory could not be synced, and a loss of power may take it away: Input/output error (os error 5)

"#]]);
    assert_eq!(subject.state_now("backup"), subject.last());
}

/// What stood in the way of a restore is not lost, nor where it is.
#[test]
fn what_was_moved_aside_is_named_where_nothing_takes_its_place() {
    let restores = Subject::all("restore copy.db");
    let subject = &restores[1]();
    let number = counts(&subject.calls)[&Class::Rename];
    subject.before.put(subject.world.path());
    let (done, _) = subject.run(Some(Fault {
        class: Class::Rename,
        number,
        errno: Errno::EIO as i32,
        how: "once",
    }));
    done.shows(str![[r#"
$ twofa restore copy.db --yes
? 1
--- stderr
error: cannot put the store at `twofa.db`: Input/output error (os error 5)
 hint: what stood there is at `twofa.db.unreadable-1` now

"#]]);
    assert_eq!(subject.state_now("restore"), subject.last() - 1);
}

/// A store that cannot be opened for want of memory is not one that is damaged: it is not put aside.
#[test]
fn what_memory_is_lacking_for_is_not_given_up() {
    let restores = Subject::all("restore");
    let subject = &restores.last().unwrap()();
    subject.before.put(subject.world.path());
    let (done, _) = subject.run(Some(Fault {
        class: Class::Map,
        number: 1,
        errno: Errno::ENOMEM as i32,
        how: "on",
    }));
    done.shows(str![[r#"
$ twofa restore copy.db --yes
? 1
--- stderr
error: the store could not be read or written: disk I/O error
 hint: nothing was changed; to restore without what this store knows, move it away, with its -wal file

"#]]);
    assert_eq!(subject.state_now("restore"), 0);
}

/// What a disk that dies within the commit has kept nobody knows until the store is opened again.
#[test]
fn what_fails_within_its_commit_may_be_there() {
    let subject = &Subject::all("user activate")[0]();
    subject.before.put(subject.world.path());
    // The log's head, its directory, and then the log.
    let (done, _) = subject.run(Some(Fault {
        class: Class::Sync,
        number: 3,
        errno: Errno::EIO as i32,
        how: "dead",
    }));
    done.shows(str![[r#"
$ twofa user activate bob
? 1
--- stderr
error: the store could not be read or written: disk I/O error
 hint: look at the disk: space, quota, and what the system's log says of it
warning: the disk failed while the change was written, and it may be there or not: look before you repeat it

"#]]);
    let state = subject.state_now("user activate");
    assert_eq!(state, subject.last());
    subject.judge(state, "user activate");
}

/// The answer cannot be read any more, but what it would tell is done.
#[test]
fn what_fails_behind_its_commit_says_so() {
    let subject = &Subject::all("user activate")[0]();
    let mut told = Vec::new();
    for number in 1..=counts(&subject.calls)[&Class::Read] {
        subject.before.put(subject.world.path());
        let (done, _) = subject.run(Some(Fault {
            class: Class::Read,
            number,
            errno: Errno::EIO as i32,
            how: "once",
        }));
        let what = format!("read {number}: {done:?}");
        let state = subject.state_now(&what);
        is_honest(subject, &done, Some(state), &what);
        if done.code == Some(1) && state == subject.last() {
            told.push(done);
        }
    }
    told[0].shows(str![[r#"
$ twofa user activate bob
? 1
--- stderr
error: the store is damaged: database disk image is malformed
 hint: `twofa doctor` says where; if it finds nothing, the disk failed to read: look at it, else restore a backup
warning: the command had changed the store before it failed: look before you repeat it

"#]]);
}
