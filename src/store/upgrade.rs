//! Bringing an older store to the latest schema, step by step, in one transaction.
//!
//! The next layout costs one row of [`STEPS`], its `VERSION`, and the new `schema.sql`. A test holds "upgraded = fresh".

use rusqlite::{Connection, TransactionBehavior};

use crate::error::Result;

/// `STEPS[n]` brings layout n + 1 to n + 2. Layout 1 is the first.
pub(super) const STEPS: &[&str] = &[];

/// Runs the steps that `db` lacks. It either has them all afterwards, or is as it was.
pub(super) fn run(db: &Connection, steps: &[&str]) -> Result<()> {
    let tx = rusqlite::Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have upgraded in the meantime.
    let version: usize =
        tx.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? as usize;
    for (number, step) in steps.iter().enumerate().skip(version.saturating_sub(1)) {
        tx.execute_batch(step)?;
        tx.execute_batch(&format!("PRAGMA user_version = {}", number + 2))?;
    }
    tx.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::{as_made, objects};
    use crate::store::{Reader, VERSION};

    #[expect(
        clippy::disallowed_methods,
        reason = "a database in memory, for a test"
    )]
    fn memory() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn upgraded_is_fresh() {
        assert_eq!(STEPS.len() + 1, usize::try_from(VERSION).unwrap());
        let upgraded = memory();
        upgraded
            .execute_batch(include_str!("../../tests/stores/layout-1.sql"))
            .unwrap();
        upgraded.execute_batch("PRAGMA user_version = 1").unwrap();
        run(&upgraded, STEPS).unwrap();
        let fresh = as_made(objects).unwrap();
        assert_eq!(objects(Reader::new(&upgraded)).unwrap(), fresh);
        assert!(fresh.len() > 50, "{} objects", fresh.len());
    }

    #[test]
    fn steps_run_once_in_order_and_all_or_none() {
        let db = memory();
        db.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1")
            .unwrap();
        let steps = ["ALTER TABLE t ADD COLUMN b", "ALTER TABLE t ADD COLUMN c"];
        run(&db, &steps[..1]).unwrap();
        run(&db, &steps).unwrap();
        run(&db, &steps).unwrap();
        assert_eq!(
            db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
                .unwrap(),
            3
        );
        db.execute("INSERT INTO t (a, b, c) VALUES (1, 2, 3)", [])
            .unwrap();
        assert!(run(&db, &["", "", "ALTER TABLE t ADD COLUMN d", "broken"]).is_err());
        assert_eq!(
            db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
                .unwrap(),
            3
        );
        assert!(db.execute("INSERT INTO t (d) VALUES (1)", []).is_err());
    }
}
