//! Tests of the file and its lock, and the fresh store that the tests of other modules begin with.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::*;
use crate::clock::Fixed;

/// A new store in a directory of its own, with a clock that stands at 2026-01-01T00:00:00Z.
pub(crate) struct Fresh {
    /// Removed when this goes.
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: Rc<Fixed>,
    pub(crate) store: Store,
}

/// Every statement that `store` executes from now on.
pub(crate) fn traced(store: &mut Store) -> Arc<Mutex<BTreeSet<String>>> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let kept = Arc::clone(&seen);
    let keep = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            kept.lock().unwrap().insert(sql.to_owned());
        }
    };
    store
        .db
        .trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(keep))
        .unwrap();
    seen
}

impl Fresh {
    /// Its key file.
    pub(crate) fn key_file(&self) -> std::path::PathBuf {
        self.store.place().key.as_file().unwrap().to_owned()
    }
}

pub(crate) const START: Time = Time(1_767_225_600);

pub(crate) fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let clock = Rc::new(Fixed::new(START, 7));
    let place = Place::new(directory.path().join("twofa.db"), None);
    create(
        &place,
        &NewKeys::default(),
        None,
        clock.as_ref(),
        crate::audit::begin,
    )
    .unwrap();
    let store = Store::connect(
        &place,
        true,
        Duration::from_secs(5),
        Rc::clone(&clock) as Rc<dyn Source>,
    )
    .unwrap();
    Fresh {
        directory,
        clock,
        store,
    }
}

#[test]
fn a_foreign_file_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    for bytes in [&b""[..], b"hello", &[0u8; 4096], b"SQLite format 3\0 and then nothing of ours ...................................................................."] {
        fs::write(&path, bytes).unwrap();
        let error = check_header(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::ForeignStore);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_newer_store_is_refused() {
    let fresh = fresh();
    fresh
        .store
        .tampered()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    let place = fresh.store.place().clone();
    let error = Store::connect(
        &place,
        true,
        Duration::ZERO,
        Rc::clone(&fresh.clock) as Rc<dyn Source>,
    )
    .unwrap_err();
    assert_eq!(error.kind(), Kind::NewerStore);
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let fresh = fresh();
    let result: Result<()> = fresh.store.write(|tx| {
        tx.db().execute("UPDATE method SET enabled = 1", [])?;
        Err(Error::new(Kind::Guard, "no"))
    });
    assert!(result.is_err());
    let enabled: i64 = fresh
        .store
        .db()
        .query_row("SELECT count(*) FROM method WHERE enabled = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(enabled, 0);
}

#[test]
fn a_second_writer_waits_and_is_told() {
    let fresh = fresh();
    let place = fresh.store.place().clone();
    let other = Store::connect(
        &place,
        true,
        Duration::ZERO,
        Rc::clone(&fresh.clock) as Rc<dyn Source>,
    )
    .unwrap();
    fresh
        .store
        .write(|_| {
            let busy = other.write(|_| Ok(())).unwrap_err();
            assert_eq!(busy.kind(), Kind::Busy);
            Ok(())
        })
        .unwrap();
}

/// To open a store a second time, to write or to read, leaves the locks of the first connection where they are.
#[cfg(target_os = "linux")]
#[test]
fn a_second_opening_drops_no_lock() {
    use std::os::unix::fs::OpenOptionsExt as _;

    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    let fresh = fresh();
    let place = fresh.store.place().clone();
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC)
        .open(&place.db)
        .unwrap();
    // The first connection reads, and so holds a lock until it goes.
    fresh
        .store
        .db()
        .query_row("SELECT count(*) FROM user", [], |_| Ok(()))
        .unwrap();
    let is_locked = || {
        let mut lock = libc::flock {
            l_type: i16::try_from(libc::F_WRLCK).unwrap(),
            l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        // A lock of the open file, not of the process: it sees the process's own.
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
        i32::from(lock.l_type) != libc::F_UNLCK
    };
    assert!(is_locked());
    for writable in [true, false] {
        let again = Store::connect(
            &place,
            writable,
            Duration::ZERO,
            Rc::clone(&fresh.clock) as Rc<dyn Source>,
        )
        .unwrap();
        assert!(is_locked());
        drop(again);
        assert!(is_locked());
    }
    create(
        &place,
        &NewKeys::default(),
        None,
        fresh.clock.as_ref(),
        |_, _, _| Ok(()),
    )
    .unwrap();
    assert!(is_locked());
}
