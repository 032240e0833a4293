//! What was read of a store and still holds.
//!
//! A process that stays, such as a login server, needs the same things for every code it judges: the settings, the
//! lookup, who may, where the log ends. It reads them once, and again when anybody may have written them. What holds is
//! given out only while the write lock is held, so nothing can be written between the look at the version and the use.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::Store;
use crate::error::Result;

/// The facts of one connection, one of each type.
#[derive(Default)]
pub(super) struct Kept {
    facts: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
    /// `PRAGMA data_version` at which the facts were read: another number after any commit of another connection.
    version: Cell<Option<i64>>,
    /// Whether a transaction is open that leaves the facts as they are.
    open: Cell<bool>,
}

impl Kept {
    /// A transaction begins that leaves the facts alone; they hold if no other connection has committed since.
    pub(super) fn open(&self, version: i64) {
        // Still open: the last transaction did not come to its end.
        if self.open.replace(true) || self.version.replace(Some(version)) != Some(version) {
            self.facts.borrow_mut().clear();
            self.version.set(Some(version));
        }
    }

    /// The transaction is committed.
    pub(super) fn close(&self) {
        self.open.set(false);
    }

    /// Nothing holds any more, and nothing is kept until the next [`Kept::open`].
    pub(super) fn forget(&self) {
        self.open.set(false);
        self.version.set(None);
        self.facts.borrow_mut().clear();
    }
}

impl Store {
    /// What `load` reads, or what it read before about the same `key` and still holds. It must depend on the key and on
    /// tables that [`Store::write_for_one`] leaves alone.
    ///
    /// # Errors
    /// What `load` returns.
    pub(crate) fn kept<K: PartialEq + 'static, T: 'static>(
        &self,
        key: K,
        load: impl FnOnce() -> Result<T>,
    ) -> Result<Rc<T>> {
        if self.kept.open.get() {
            let known = self
                .kept
                .facts
                .borrow()
                .get(&TypeId::of::<(K, T)>())
                .cloned();
            if let Some(Ok(known)) = known.map(Rc::downcast::<(K, Rc<T>)>)
                && known.0 == key
            {
                return Ok(Rc::clone(&known.1));
            }
        }
        let fact = Rc::new(load()?);
        self.keep(key, Rc::clone(&fact));
        Ok(fact)
    }

    /// Replaces what [`Store::kept`] gives for `key`.
    pub(crate) fn keep<K: PartialEq + 'static, T: 'static>(&self, key: K, fact: Rc<T>) {
        if self.kept.open.get() {
            self.kept
                .facts
                .borrow_mut()
                .insert(TypeId::of::<(K, T)>(), Rc::new((key, fact)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::audit::{Entry, Event, Outcome, Who, append, verify};
    use crate::error::{Error, Kind};
    use crate::store::tests::fresh;
    use crate::store::{Store, Tx};

    /// The number of methods that are enabled, as a fact.
    fn enabled(tx: &Tx<'_>) -> i64 {
        let count = "SELECT count(*) FROM method WHERE enabled = 1";
        let load = || Ok(tx.db().query_row(count, [], |row| row.get(0))?);
        *tx.kept((), load).unwrap()
    }

    fn enable(store: &Store, code: &str) {
        let sql = "UPDATE method SET enabled = 1 WHERE code = ?1";
        store.write(|tx| Ok(tx.db().execute(sql, [code])?)).unwrap();
    }

    #[test]
    fn a_fact_holds_until_anybody_may_have_written_it() {
        let fresh = fresh();
        let other = fresh.store.writing_twin().unwrap();
        let seen = || fresh.store.write_for_one(|tx| Ok(enabled(tx))).unwrap();
        assert_eq!((seen(), seen()), (0, 0));
        enable(&other, "email");
        assert_eq!(seen(), 1, "another connection");
        enable(&fresh.store, "totp");
        assert_eq!(seen(), 2, "its own");
        // It is kept: a write that breaks the promise shows that it is not read anew.
        let breaks = "UPDATE method SET enabled = 0";
        fresh
            .store
            .write_for_one(|tx| Ok(tx.db().execute(breaks, [])?))
            .unwrap();
        assert_eq!(seen(), 2);
        // Outside, and in a transaction of any other kind, everything is read.
        assert_eq!(fresh.store.write(|tx| Ok(enabled(tx))).unwrap(), 0);
        assert_eq!(seen(), 0);
    }

    #[test]
    fn a_fact_is_kept_for_each_key_and_type() {
        let fresh = fresh();
        let ask = |tx: &Tx<'_>, key: i64| *tx.kept(key, || Ok(key * 2)).unwrap();
        let work = |tx: &Tx<'_>| {
            assert_eq!((ask(tx, 1), ask(tx, 2), ask(tx, 2)), (2, 4, 4));
            assert_eq!(*tx.kept(2_i64, || Ok("another type"))?, "another type");
            let again = tx.kept(2_i64, || {
                Err::<i64, _>(Error::new(Kind::Storage, "read anew"))
            })?;
            assert_eq!(*again, 4);
            Ok(())
        };
        fresh.store.write_for_one(work).unwrap();
    }

    /// The end of the log is such a fact, and each row that is written moves it. What was undone moves nothing.
    #[test]
    fn the_end_of_the_log_is_where_it_was_committed() {
        let fresh = fresh();
        let other = fresh.store.writing_twin().unwrap();
        let add = |tx: &Tx<'_>| {
            append(
                tx,
                &Who::default(),
                &Entry::new(Event::LOGIN_DENIED, Outcome::Denied),
            )
        };
        let answer = |store: &Store| store.write_for_one(add).unwrap();
        assert_eq!((answer(&fresh.store), answer(&fresh.store)), (1, 2));
        assert_eq!(
            (answer(&other), answer(&fresh.store), answer(&other)),
            (3, 4, 5)
        );
        let fails = |tx: &Tx<'_>| {
            add(tx)?;
            Err::<(), _>(Error::new(Kind::Storage, "no"))
        };
        fresh.store.write_for_one(fails).unwrap_err();
        assert_eq!(answer(&fresh.store), 6);
        let undoes = |tx: &Tx<'_>| {
            tx.savepoint(|| fails(tx))?.unwrap_err();
            add(tx)
        };
        assert_eq!(fresh.store.write_for_one(undoes).unwrap(), 7);
        let panics = || {
            fresh.store.write_for_one(|tx| {
                add(tx)?;
                std::panic::panic_any("somebody else's mistake");
                #[expect(unreachable_code, reason = "says what the closure returns")]
                Ok(())
            })
        };
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(
            (
                answer(&fresh.store),
                fresh.store.write(add).unwrap(),
                answer(&fresh.store)
            ),
            (8, 9, 10)
        );
        assert!(verify(&fresh.store, None).unwrap().intact);
    }
}
