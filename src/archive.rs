//! `audit archive`: the plan that turns copied rows of the log into tombstones.

use serde_json::Value;

use crate::audit::{Copied, Event};
use crate::error::Result;
use crate::name::counted;
use crate::plan::{Change, Op, Plan};
use crate::store::{Store, Tx};

/// Rows that were copied into a file go out of the log.
pub struct ArchiveRows<'a>(pub Copied<'a>);

impl Plan for ArchiveRows<'_> {
    fn changes(&self, store: &Store) -> Result<Vec<Change>> {
        let answer = self.0.answer();
        let Some(archive) = &answer.archive else {
            return Ok(Vec::new());
        };
        self.0.is_current(store)?;
        let mut change = Change::new("audit", archive, Op::Remove, Event::AUDIT_ARCHIVED)
            .always("rows", answer.rows, 0)
            .always("macs", self.0.macs(), Value::Null);
        change.detail = Some(self.0.detail());
        Ok(vec![change])
    }

    fn write(&self, tx: &Tx<'_>) -> Result<()> {
        self.0.bury(tx)
    }

    fn question(&self, _store: &Store, _changes: &[Change]) -> Result<Option<String>> {
        let answer = self.0.answer();
        let rows = counted(answer.rows.unsigned_abs(), "row goes", "rows go");
        Ok(Some(format!(
            "{rows} from the audit log into `{}`; the chain keeps their digests.",
            answer.file
        )))
    }
}
