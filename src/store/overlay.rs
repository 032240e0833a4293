//! A store as it would be: what is written to it stands in memory, and the file stays as it is.
//!
//! What-if needs the very code that writes and the very code that decides, on a state that nobody has yet. So the file is
//! opened to read, and temporary tables and views of the same names stand before its own: a statement finds them first.
//! Small tables are copied; of large ones only what differs is kept. Nothing of it reaches the file, its log or a disk.

use rusqlite::Connection;

use super::kept::Kept;
use super::{Opened, Store, Tx, open_file};
use crate::clock::Time;
use crate::error::Result;

/// Tables that hold for everybody, and are small.
const COPIED: &[&str] = &[
    "setting",
    "method",
    "group",
    "group_group",
    "grantee",
    "mailbox",
    "sms_provider",
    "template",
    "template_words",
];

/// Tables that grow with the users.
const LAYERED: &[&str] = &["user", "identity", "group_user", "challenge"];

/// A store as it would be.
#[derive(Debug)]
pub struct Overlay(Store);

impl std::ops::Deref for Overlay {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Overlay {
    /// Runs `work` as if it had the write lock: what it writes stands in memory from then on.
    ///
    /// # Errors
    /// What `work` returns; then nothing of it stands.
    pub(crate) fn pretend<T>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        self.0.write(work)
    }

    /// From now on its clock stands at `at`.
    pub fn stand_still(&mut self, at: Time) {
        self.0.set_clock(at);
    }
}

impl Store {
    /// This store as it would be: it begins as the file was last committed.
    ///
    /// # Errors
    /// [`crate::error::Kind::Storage`].
    pub(crate) fn overlay(&self) -> Result<Overlay> {
        // The file is open already, and was looked at then.
        let opened = Opened::begin(&self.place.db, |_| Ok(()))?;
        let db = open_file(&self.place.db, false, self.wait)?;
        // The file cannot be written: it was opened to read. Foreign keys would lead from a table to a view.
        db.execute_batch(
            "PRAGMA query_only = OFF; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; BEGIN",
        )?;
        for table in COPIED {
            copy(&db, table)?;
        }
        for table in LAYERED {
            layer(&db, table)?;
        }
        for table in COPIED.iter().chain(LAYERED) {
            cascade(&db, table)?;
        }
        db.execute_batch(
            "DELETE FROM temp.sqlite_sequence;
             INSERT INTO temp.sqlite_sequence SELECT * FROM main.sqlite_sequence;
             INSERT INTO temp.sqlite_sequence SELECT 'user', 0 WHERE NOT EXISTS
                 (SELECT 1 FROM temp.sqlite_sequence WHERE name = 'user');
             COMMIT",
        )?;
        Ok(Overlay(Store {
            db,
            place: self.place.clone(),
            id: self.id.clone(),
            writable: true,
            wait: self.wait,
            vault: std::cell::OnceCell::new(),
            source: std::rc::Rc::clone(&self.source),
            kept: Kept::default(),
            watcher: std::rc::Rc::clone(&self.watcher),
            committed: std::rc::Rc::default(),
            _opened: opened,
        }))
    }
}

/// A table of the same name and rules, with the same rows.
fn copy(db: &Connection, table: &str) -> Result<()> {
    let mut query = db.prepare_cached(
        "SELECT sql FROM main.sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL AND type IN ('table', 'index')
         ORDER BY type DESC",
    )?;
    let statements = query.query_map([table], |row| row.get::<_, String>(0))?;
    for sql in statements.collect::<rusqlite::Result<Vec<_>>>()? {
        let (head, name) = ["CREATE TABLE ", "CREATE UNIQUE INDEX ", "CREATE INDEX "]
            .into_iter()
            .find_map(|head| Some((head, sql.strip_prefix(head)?)))
            .unwrap_or(("", &sql));
        db.execute_batch(&format!("{head}temp.{name}"))?;
    }
    db.execute_batch(&format!(
        "INSERT INTO temp.\"{table}\" SELECT * FROM main.\"{table}\""
    ))?;
    Ok(())
}

/// A column: its name, what stands in it when nothing is said, and its place in the primary key, from 1.
struct Column {
    name: String,
    default: String,
    key: u32,
}

fn columns(db: &Connection, table: &str) -> Result<Vec<Column>> {
    let mut query =
        db.prepare_cached("SELECT name, coalesce(dflt_value, 'NULL'), pk FROM pragma_table_info(?1, 'main') ORDER BY cid")?;
    let rows = query.query_map([table], |row| {
        let name: String = row.get(0)?;
        Ok(Column {
            name: format!("\"{name}\""),
            default: row.get(1)?,
            key: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A view of the same name: the rows of the file save those that are gone, and the new ones. What changes a row takes the
/// old one away and puts a new one in its place.
fn layer(db: &Connection, table: &str) -> Result<()> {
    let columns = columns(db, table)?;
    let keys: Vec<&str> = columns
        .iter()
        .filter(|column| column.key > 0)
        .map(|column| column.name.as_str())
        .collect();
    let each = |write: &dyn Fn(&str) -> String, between: &str| {
        let parts: Vec<String> = keys.iter().map(|key| write(key)).collect();
        parts.join(between)
    };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    let values: Vec<String> = columns
        .iter()
        .map(|column| format!("coalesce(NEW.{}, {})", column.name, column.default))
        .collect();
    let values = values.join(", ");
    let key_list = keys.join(", ");
    let same =
        |left: &str, right: &str| each(&|key| format!("{left}{key} = {right}{key}"), " AND ");
    let new = format!("temp.\"{table}~new\"");
    let gone = format!("temp.\"{table}~gone\"");
    let (bare_new, bare_gone) = (format!("\"{table}~new\""), format!("\"{table}~gone\""));
    let leaves = format!(
        "DELETE FROM {bare_new} WHERE {at_old};
         INSERT OR IGNORE INTO {bare_gone} SELECT {key_list} FROM main.\"{table}\" WHERE {at_old};",
        at_old = same("", "OLD."),
    );
    let there = format!(
        "EXISTS (SELECT 1 FROM \"{table}\" WHERE {})",
        same("", "NEW.")
    );
    // A row that is nothing but its key may come again (`INSERT OR IGNORE`); any other is another row of that key.
    let (unless, refused) = if keys.len() == columns.len() {
        (format!("WHERE NOT {there}"), String::new())
    } else {
        let refused =
            format!("SELECT RAISE(ABORT, 'UNIQUE constraint failed: {table}') WHERE {there};");
        (String::new(), refused)
    };
    let comes = format!(
        "{refused} INSERT INTO {bare_new} ({names}) SELECT {values} {unless};
         UPDATE sqlite_sequence SET seq = max(seq, {id}) WHERE name = '{table}';",
        id = if keys == ["\"id\""] { "NEW.id" } else { "0" },
    );
    db.execute_batch(&format!(
        "CREATE TABLE {new} AS SELECT * FROM main.\"{table}\" WHERE 0;
         CREATE UNIQUE INDEX temp.\"{table}~new~key\" ON {bare_new} ({key_list});
         CREATE TABLE {gone} AS SELECT {key_list} FROM main.\"{table}\" WHERE 0;
         CREATE UNIQUE INDEX temp.\"{table}~gone~key\" ON {bare_gone} ({key_list});
         CREATE TEMP VIEW \"{table}\" AS
             SELECT {names} FROM main.\"{table}\" AS old
             WHERE NOT EXISTS (SELECT 1 FROM {gone} AS gone WHERE {is_gone})
             UNION ALL SELECT {names} FROM {new};
         CREATE TEMP TRIGGER \"{table}~insert\" INSTEAD OF INSERT ON \"{table}\" BEGIN {comes} END;
         CREATE TEMP TRIGGER \"{table}~delete\" INSTEAD OF DELETE ON \"{table}\" BEGIN {leaves} END;
         CREATE TEMP TRIGGER \"{table}~update\" INSTEAD OF UPDATE ON \"{table}\" BEGIN {leaves} {comes} END;",
        is_gone = same("gone.", "old."),
    ))?;
    // The rows of one user or group are looked for.
    for column in columns
        .iter()
        .filter(|column| ["\"user\"", "\"group\""].contains(&column.name.as_str()))
    {
        db.execute_batch(&format!(
            "CREATE INDEX temp.\"{table}~new~{}\" ON {bare_new} ({})",
            column.name.trim_matches('"'),
            column.name
        ))?;
    }
    Ok(())
}

/// What goes with a row of another table, or forgets it, as the foreign keys of the file say.
fn cascade(db: &Connection, table: &str) -> Result<()> {
    let mut query = db.prepare_cached(
        "SELECT \"table\", \"from\", coalesce(\"to\", 'id'), on_delete FROM pragma_foreign_key_list(?1, 'main')",
    )?;
    let keys = query.query_map([table], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, String>(3)?,
        ))
    })?;
    for key in keys.collect::<rusqlite::Result<Vec<_>>>()? {
        let (parent, from, to, action) = key;
        let when = if COPIED.contains(&parent.as_str()) {
            "AFTER"
        } else if LAYERED.contains(&parent.as_str()) {
            "INSTEAD OF"
        } else {
            continue;
        };
        let done = match action.as_str() {
            "CASCADE" => format!("DELETE FROM \"{table}\""),
            "SET NULL" => format!("UPDATE \"{table}\" SET \"{from}\" = NULL"),
            _ => continue,
        };
        db.execute_batch(&format!(
            "CREATE TEMP TRIGGER \"{table}~{from}~{parent}\" {when} DELETE ON \"{parent}\" BEGIN
                 {done} WHERE \"{from}\" = OLD.\"{to}\";
             END"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::setting::{ENABLE_2FA, SetSettings, Settings};
    use crate::store::tests::fresh;
    use crate::user::edit::{AddUser, EditUser, Fields, Patch};
    use crate::user::state::RemoveUser;
    use crate::{group, permission, user};

    fn add(login: &str, group: Option<&str>) -> AddUser {
        AddUser {
            login: login.to_owned(),
            fields: Fields {
                groups: group.map(|group| vec![group.to_owned()]),
                ..Fields::default()
            },
            password: None,
            imported: None,
        }
    }

    fn write(store: &Store, plan: &dyn Plan) {
        store.write(|tx| plan.write(tx)).unwrap();
    }

    fn logins(store: &Store) -> Vec<String> {
        let mut logins = Vec::new();
        let filter = user::Filter::default();
        user::list(store, &filter, &mut |row| {
            logins.push(row.login);
            Ok(())
        })
        .unwrap();
        logins
    }

    #[test]
    fn what_is_written_is_seen_there_and_nowhere_else() {
        let fresh = fresh();
        write(
            &fresh.store,
            &group::edit::AddGroup {
                name: "Staff".into(),
            },
        );
        write(&fresh.store, &add("alice", Some("Staff")));
        write(&fresh.store, &add("bob", None));
        let before = std::fs::read(&fresh.store.place().db).unwrap();
        let overlay = fresh.store.overlay().unwrap();
        let set = SetSettings::read([("Enable2FA", Some("on"))]).unwrap();
        overlay.pretend(|tx| Plan::write(&set, tx)).unwrap();
        overlay
            .pretend(|tx| Plan::write(&add("carol", Some("staff")), tx))
            .unwrap();
        let alice = user::find(&overlay, "alice").unwrap().id;
        let fields = Fields {
            email: Patch::Set("alice@example.com".into()),
            ..Fields::default()
        };
        overlay
            .pretend(|tx| Plan::write(&EditUser { id: alice, fields }, tx))
            .unwrap();
        let bob = user::find(&overlay, "bob").unwrap().id;
        overlay
            .pretend(|tx| Plan::write(&RemoveUser { id: bob }, tx))
            .unwrap();
        assert_eq!(logins(&overlay), ["alice", "carol"]);
        assert_eq!(user::find(&overlay, "ALICE@example.com").unwrap().id, alice);
        let carol = user::find(&overlay, "carol").unwrap();
        assert_eq!(
            permission::direct_groups(&overlay, carol.id).unwrap().len(),
            1
        );
        assert!(Settings::load(&overlay).unwrap().flag(&ENABLE_2FA));
        // The store itself knows nothing of it.
        assert_eq!(logins(&fresh.store), ["alice", "bob"]);
        assert!(
            user::lookup(&fresh.store, "alice@example.com")
                .unwrap()
                .is_none()
        );
        assert!(!Settings::load(&fresh.store).unwrap().flag(&ENABLE_2FA));
        drop(overlay);
        assert_eq!(std::fs::read(&fresh.store.place().db).unwrap(), before);
    }

    /// What goes with a group or a user goes here too, and ids follow those of the file.
    #[test]
    fn rows_go_with_what_they_belong_to() {
        let fresh = fresh();
        write(
            &fresh.store,
            &group::edit::AddGroup {
                name: "Staff".into(),
            },
        );
        write(&fresh.store, &add("alice", Some("Staff")));
        let overlay = fresh.store.overlay().unwrap();
        let staff = group::find(&overlay, "staff").unwrap().id;
        overlay
            .pretend(|tx| Plan::write(&group::edit::RemoveGroup { id: staff }, tx))
            .unwrap();
        let alice = user::find(&overlay, "alice").unwrap();
        assert!(
            permission::direct_groups(&overlay, alice.id)
                .unwrap()
                .is_empty()
        );
        overlay
            .pretend(|tx| Plan::write(&RemoveUser { id: alice.id }, tx))
            .unwrap();
        assert!(user::lookup(&overlay, "alice").unwrap().is_none());
        overlay
            .pretend(|tx| Plan::write(&add("dave", None), tx))
            .unwrap();
        assert_eq!(user::find(&overlay, "dave").unwrap().id, alice.id + 1);
        let left: i64 = overlay
            .db()
            .query_row("SELECT count(*) FROM identity", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 1);
    }

    /// A key that is taken is refused, in the file and in memory, and what is nothing but its key may come again.
    #[test]
    fn keys_are_unique() {
        let fresh = fresh();
        write(&fresh.store, &add("alice", None));
        let overlay = fresh.store.overlay().unwrap();
        overlay.pretend(|tx| add("bob", None).write(tx)).unwrap();
        for taken in ["alice", "bob"] {
            let error = overlay
                .pretend(|tx| add(taken, None).write(tx))
                .unwrap_err();
            assert!(
                error.message().contains("UNIQUE constraint failed"),
                "{error}"
            );
        }
        assert_eq!(logins(&overlay), ["alice", "bob"]);
    }

    /// Every table of the lists is one of the store, and none is in both. What is in neither cannot be written, and so nothing
    /// goes with its rows.
    #[test]
    fn the_lists_hold_together() {
        let fresh = fresh();
        for table in COPIED.iter().chain(LAYERED) {
            let found = columns(fresh.store.tampered(), table).unwrap();
            assert!(!found.is_empty(), "{table}");
            assert!(
                !(COPIED.contains(table) && LAYERED.contains(table)),
                "{table}"
            );
        }
    }
}
