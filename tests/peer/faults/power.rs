//! The power goes: at every call of every writing command, what was not synced is lost, or torn.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::case::Subject;
use super::image::{Image, Unsynced};
use super::shim::{Class, Effect};
use super::{Tally, each};
use crate::remains::{Moments, seed, times};

/// At how many calls of a command the power goes; beyond, they are drawn.
const PLACES: u64 = 60;
/// Of how many names that are not durable every choice is looked at.
const NAMES: usize = 4;
/// How often what was not synced is torn at each of them.
const TORN: u64 = 2;

/// The files beside the store that the answer promised: the store itself is judged by its state.
fn promised(image: &Image) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let is_promise = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let of_store = [".db", "-wal", "-journal", ".rotating"];
        !of_store.iter().any(|end| name.ends_with(end)) && !name.starts_with(".twofa-unfinished")
    };
    let all = image.0.clone().into_iter();
    all.filter(|(path, _)| is_promise(path)).collect()
}

/// At which calls the power goes.
fn places(subject: &Subject, coins: &mut Moments) -> BTreeSet<usize> {
    let changing = |at: &usize| !matches!(subject.calls[*at].effect, Effect::Nothing);
    let all: Vec<usize> = (0..subject.calls.len()).filter(changing).collect();
    let most = usize::try_from(PLACES * times()).unwrap();
    if all.len() <= most {
        return all.into_iter().collect();
    }
    // Where something becomes durable, gets its name or is told, and some of the others.
    let turns = |at: &usize| {
        let call = &subject.calls[*at];
        !matches!(call.class, Some(Class::Write | Class::Truncate))
    };
    let mut chosen: BTreeSet<usize> = all.iter().copied().filter(turns).collect();
    for _ in 0..most {
        let draw = usize::try_from(coins.next() % u64::try_from(all.len()).unwrap()).unwrap();
        chosen.insert(all[draw]);
    }
    chosen
}

fn lose(subject: &Subject, seed: u64, tally: &Tally) {
    let mut coins = Moments(seed);
    let mut disk = subject.disk.clone();
    let places = places(subject, &mut coins);
    let mut seen = BTreeSet::new();
    let mut judged = BTreeMap::new();
    // A denied command answers nothing: then the refusal is what it says.
    let answer = |to| {
        let mut calls = subject.calls.iter();
        calls.any(|call| matches!(call.effect, Effect::Spoke { to: found } if found == to))
    };
    let answer = if answer(1) { 1 } else { 2 };
    // What was durable once stays so.
    let (mut reached, mut said) = (0, None);
    for (at, call) in subject.calls.iter().enumerate() {
        disk.does(call);
        if matches!(call.effect, Effect::Spoke { to } if to == answer) && said.is_none() {
            said = Some(promised(&disk.image(Unsynced::Kept)));
        }
        if !places.contains(&at) {
            continue;
        }
        let now = promised(&disk.image(Unsynced::Kept));
        let torn = (0..TORN).map(|_| Unsynced::Torn(coins.next()));
        // Some names and not the others: all there is to choose from, where that is not much.
        let names = match disk.unsynced_names() {
            many @ 2..=NAMES => (1..(1 << many) - 1).map(Unsynced::Names).collect(),
            _ => Vec::new(),
        };
        for unsynced in std::iter::once(Unsynced::Lost).chain(torn).chain(names) {
            tally.add("images", 1);
            let image = disk.image(unsynced);
            if !seen.insert((image.hash(), said.is_some())) {
                continue;
            }
            tally.add("of them different", 1);
            let what = format!(
                "{}: the power goes after call {at}, {:?} {}, {unsynced:?} (TWOFA_PEER_SEED={seed})",
                subject.name,
                call.class,
                call.path.display()
            );
            let state = subject.state_of(&image, &what);
            assert!(state >= reached, "{what}: state {state} after {reached}");
            if unsynced == Unsynced::Lost {
                reached = state;
            }
            if let Some(said) = &said {
                assert_eq!(
                    state,
                    subject.last(),
                    "{what}: it said that it was done, and it is not"
                );
                for (path, bytes) in said.iter().filter(|(path, it)| now.get(*path) == Some(*it)) {
                    assert_eq!(
                        image.0.get(path),
                        Some(bytes),
                        "{what}: {} is not what was told",
                        path.display()
                    );
                }
            }
            // twofa itself is asked about each state in which it finds other files, and about some more.
            let names: Vec<PathBuf> = image.0.keys().cloned().collect();
            let already: &mut u64 = judged.entry((state, names)).or_default();
            if *already < times().min(8) {
                *already += 1;
                tally.add("judged by twofa", 1);
                image.put(subject.world.path());
                subject.judge(state, &what);
            }
        }
    }
    assert!(said.is_some(), "{}: it said nothing", subject.name);
}

#[test]
fn power_is_lost_at_every_call() {
    let seed = seed();
    each(seed, lose);
}
