//! A disk that is full, and one that may not be written: real ones, in memory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::calls::{is_delivery, is_honest};
use super::case::Subject;
use super::{READING, Tally, each};
use crate::remains::{Files, seed, times};
use crate::world::World;
use crate::{peer, succeeds};

/// How much room is left, in bytes: nothing, less than the index of a log, a little of a log, and most of one.
const ROOMS: &[u64] = &[0, 20 * 1024, 48 * 1024, 96 * 1024];

/// A file system of its own over a directory, until it is dropped.
pub(super) struct Mounted(PathBuf);

impl Mounted {
    pub(super) fn over(directory: &Path, bytes: u64) -> Mounted {
        succeeds(
            Command::new(peer("mount", "apt-get install mount"))
                .args(["-t", "tmpfs", "-o"])
                .arg(format!("size={bytes},mode=700"))
                .arg("none")
                .arg(directory),
        );
        Mounted(directory.to_owned())
    }

    pub(super) fn may_be_written(&self, may: bool) {
        let mode = if may { "remount,rw" } else { "remount,ro" };
        let mount = peer("mount", "apt-get install mount");
        succeeds(Command::new(mount).args(["-o", mode]).arg(&self.0));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let umount = peer("umount", "apt-get install mount");
        let ended = Command::new(umount).arg("--lazy").arg(&self.0).status();
        assert!(
            ended.is_ok_and(|ended| ended.success()),
            "{}",
            self.0.display()
        );
    }
}

/// Writes a file until there is no room, then takes some of it back.
fn fill(file: &Path, room: u64) {
    let mut full = File::create(file).unwrap();
    let page = [0xa5; 4096];
    while full.write_all(&page).is_ok() {}
    let length = full.metadata().unwrap().len();
    full.set_len(length.saturating_sub(room)).unwrap();
}

/// What the files of a world need, in bytes.
fn size(subject: &Subject) -> u64 {
    let files = subject.before.0.values().flatten();
    files
        .map(|bytes| u64::try_from(bytes.len()).unwrap().next_multiple_of(4096))
        .sum()
}

fn full(subject: &Subject, seed: u64, tally: &Tally) {
    let world = subject.world.path();
    // As much as the command may ever need, or what is filled up is not what it needs.
    let _disk = Mounted::over(world, size(subject) + 16 * 1024 * 1024);
    let mut judged = BTreeSet::new();
    for room in ROOMS {
        let what = format!(
            "{}: {room} bytes are free (TWOFA_PEER_SEED={seed})",
            subject.name
        );
        subject.before.put(world);
        fill(&subject.world.file("full"), *room);
        let (done, calls) = subject.run(None);
        std::fs::remove_file(subject.world.file("full")).unwrap();
        let what = format!("{what}: {done:?}");
        let state = (!is_delivery(&calls)).then(|| subject.state_now(&what));
        is_honest(subject, &done, state, &what);
        tally.add("runs on a full disk", 1);
        if done.code == Some(1) {
            tally.add("of them failed", 1);
        }
        // Room again: it goes on, from every state in which it stopped.
        if times() == 1 && !judged.insert(state) {
            continue;
        }
        match state {
            Some(state) => subject.judge(state, &what),
            None => subject.holds(subject.last(), &what),
        }
    }
}

#[test]
fn the_disk_is_full() {
    each(seed(), full);
}

fn written_nowhere(subject: &Subject, seed: u64, tally: &Tally) {
    let world = subject.world.path();
    let disk = Mounted::over(world, size(subject) + 16 * 1024 * 1024);
    let what = format!(
        "{}: nothing may be written (TWOFA_PEER_SEED={seed})",
        subject.name
    );
    subject.before.put(world);
    disk.may_be_written(false);
    let (done, _) = subject.run(None);
    assert_eq!(done.code, Some(1), "{what}: {done:?}");
    assert!(
        done.stdout.is_empty() && done.stderr.starts_with("error: "),
        "{what}: {done:?}"
    );
    let says_why = [
        "cannot be written",
        "Read-only file system",
        "cannot be opened",
    ];
    assert!(
        says_why.iter().any(|why| done.stderr.contains(why)),
        "{what}: {done:?}"
    );
    disk.may_be_written(true);
    let state = subject.state_now(&what);
    assert_eq!(state, 0, "{what}: {done:?}");
    subject.judge(state, &what);
    tally.add("refused", 1);
}

#[test]
fn nothing_may_be_written() {
    each(seed(), written_nowhere);
}

/// A reading command answers as ever where there is no log; where there is one that `SQLite` may not index, it says why.
#[test]
fn reading_where_nothing_may_be_written() {
    let world = World::with_email();
    let before: Vec<_> = READING.iter().map(|line| world.run(line).done()).collect();
    let files = Files::keep(world.path());
    for with_log in [false, true] {
        let disk = Mounted::over(world.path(), 16 * 1024 * 1024);
        files.put_back(world.path());
        std::fs::create_dir(world.file("mail")).unwrap();
        let writer = with_log.then(|| {
            let writer = world.writer();
            std::fs::copy(world.file("twofa.db"), world.file("copy")).unwrap();
            std::fs::copy(world.file("twofa.db-wal"), world.file("copy-wal")).unwrap();
            writer
        });
        drop(writer);
        if with_log {
            std::fs::rename(world.file("copy"), world.file("twofa.db")).unwrap();
            std::fs::rename(world.file("copy-wal"), world.file("twofa.db-wal")).unwrap();
        }
        disk.may_be_written(false);
        for (line, before) in READING.iter().zip(&before) {
            let done = world.run(line).done();
            assert!(!done.stderr.contains("panicked"), "{line}: {done:?}");
            if with_log {
                assert_eq!(done.code, Some(1), "{line}: {done:?}");
                assert!(
                    done.stderr
                        .contains("the store `twofa.db` cannot be opened")
                        && done
                            .stderr
                            .contains("hint: SQLite keeps a log beside the file"),
                    "{line}: {done:?}"
                );
            } else if !matches!(*line, "doctor" | "status") {
                assert_eq!(
                    (done.code, &done.stdout),
                    (before.code, &before.stdout),
                    "{line}"
                );
            }
        }
        disk.may_be_written(true);
        world.ok("user edit alice --name Somebody");
        world.ok("audit verify");
    }
}
