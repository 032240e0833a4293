//! Modes and owners of the files of a store.

use std::path::{Path, PathBuf};

use super::finding::Findings;
use super::{Looked, Patient};
use crate::error::Result;
use crate::files::with_suffix;
use crate::name::{argument, visible};
use crate::store::{Place, account_name, owner_of};

#[expect(
    clippy::unnecessary_wraps,
    reason = "a check may fail, and this one does not"
)]
pub(super) fn files(patient: &Patient<'_>, out: &mut Findings<'_>) -> Result<Looked> {
    let place = patient.store.place();
    for loose in place.loose() {
        let (kind, may, fix) = if loose.directory {
            ("open_directory", "write into", "go-w")
        } else {
            ("open_file", "open", "600")
        };
        let message = format!(
            "Others may {may} `{}` (mode {}).",
            visible(&loose.file),
            loose.mode
        );
        out.add(kind, 1, message)
            .names(std::slice::from_ref(&loose.file))
            .mend(format!("chmod {fix} {}", argument(&loose.file)));
    }
    owners(place, owner_of, out);
    for (path, directory) in beside(place) {
        unwritable(&path, directory, out);
    }
    Ok(Looked::Whole)
}

/// The files of a store, and their directories.
fn beside(place: &Place) -> Vec<(PathBuf, bool)> {
    let directories = place.directories().into_iter().map(Path::to_owned);
    let files = ["", "-wal", "-shm"].map(|suffix| (with_suffix(&place.db, suffix), false));
    files
        .into_iter()
        .chain(directories.map(|path| (path, true)))
        .collect()
}

/// What belongs to another account than the store does: its owner cannot open it, or somebody else can.
fn owners(place: &Place, owner: impl Fn(&Path) -> Option<u32>, out: &mut Findings<'_>) {
    let Some(ours) = owner(&place.db) else { return };
    let account = account_name(ours).unwrap_or_else(|| ours.to_string());
    let logs = ["-wal", "-shm"].map(|suffix| with_suffix(&place.db, suffix));
    let key = place.key.as_file().map(Path::to_owned);
    for path in logs.into_iter().chain(key) {
        let Some(theirs) = owner(&path).filter(|theirs| *theirs != ours) else {
            continue;
        };
        let file = path.to_string_lossy();
        let theirs = account_name(theirs).unwrap_or_else(|| theirs.to_string());
        let message = format!(
            "`{}` belongs to `{}`, and the store to `{}`.",
            visible(&file),
            visible(&theirs),
            visible(&account)
        );
        out.add("other_owner", 1, message)
            .names(&[file.to_string()])
            .mend(format!("chown {} {}", argument(&account), argument(&file)));
    }
}

/// A mode that keeps the owner from writing what only they shall write.
fn unwritable(path: &Path, directory: bool, out: &mut Findings<'_>) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let Ok(found) = path.metadata() else { return };
        let (mode, needs, fix) = if directory {
            (found.permissions().mode(), 0o300, "u+wx")
        } else {
            (found.permissions().mode(), 0o600, "u+rw")
        };
        if mode & needs == needs {
            return;
        }
        let name = path.to_string_lossy();
        let message = format!(
            "The owner may not write {}`{}` (mode {:04o}).",
            if directory { "into " } else { "" },
            visible(&name),
            mode & 0o7777
        );
        out.add("unwritable", 1, message)
            .names(&[name.to_string()])
            .mend(format!("chmod {fix} {}", argument(&name)));
    }
    #[cfg(not(unix))]
    let _ = (path, directory, out);
}

#[cfg(test)]
mod tests {
    use super::super::CHECKS;
    use super::*;

    #[test]
    fn what_belongs_to_another_account_is_named_with_the_one_it_should_belong_to() {
        let place = Place::new("store".into(), None);
        let found = |wal: Option<u32>, key: Option<u32>| {
            let mut all = Vec::new();
            let check = CHECKS.iter().find(|check| check.code == "files").unwrap();
            let of = |path: &Path| match path.to_str().unwrap() {
                "store" => Some(54_321),
                "store-wal" => wal,
                "store.key" => key,
                _ => None,
            };
            owners(&place, of, &mut Findings::of(check, &mut all));
            let lines = all.into_iter().flat_map(|finding| finding.mend);
            lines.collect::<Vec<_>>()
        };
        assert!(found(None, None).is_empty());
        assert!(found(Some(54_321), Some(54_321)).is_empty());
        assert_eq!(found(Some(54_322), Some(54_321)), ["chown 54321 store-wal"]);
        assert_eq!(found(Some(54_322), Some(7_654_321)).len(), 2);
    }
}
