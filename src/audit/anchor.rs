//! Anchors: where the log ended at a moment, kept elsewhere.
//!
//! The file proves everything about itself but its age: whoever puts an older copy of it back puts back an older log that
//! verifies. An anchor holds the number and the mac of the newest row; a log that does not have that row is another one.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::proven_end;
use crate::clock::Time;
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::vault::same;

/// The longest anchor that is read, in bytes.
pub const LONGEST: u64 = 4 * 1024;

/// Where a log ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// The store it is of.
    pub store_id: String,
    /// The number of its newest row; 0: it was empty.
    pub seq: i64,
    /// When it was made.
    pub at: Time,
    /// The mac of that row, in hex.
    pub mac: String,
}

/// The same as it is read: what else stands in the file is not looked at.
#[derive(Deserialize)]
struct Read {
    store_id: String,
    seq: i64,
    mac: String,
}

impl Anchor {
    /// Reads the document that `audit anchor -o json` prints.
    ///
    /// # Errors
    /// [`Kind::InvalidValue`].
    pub fn parse(bytes: &[u8]) -> Result<Anchor> {
        let refused = |why: &str| {
            Error::new(Kind::InvalidValue, format!("this is no anchor: {why}"))
                .hint("`twofa audit anchor -o json` prints one")
        };
        if bytes.len() as u64 > LONGEST {
            return Err(refused("it is longer than 4 KiB"));
        }
        let read: Read =
            serde_json::from_slice(bytes).map_err(|error| refused(&error.to_string()))?;
        let mac = HEXLOWER.decode(read.mac.as_bytes()).unwrap_or_default();
        if read.seq < 0 || mac.len() != super::GENESIS.len() {
            return Err(refused("its `seq` or its `mac` is none"));
        }
        Ok(Anchor {
            store_id: read.store_id,
            seq: read.seq,
            at: Time(0),
            mac: read.mac,
        })
    }

    /// Whether it is of a row with this mac.
    pub(super) fn is_of(&self, mac: &[u8]) -> bool {
        same(self.mac.as_bytes(), HEXLOWER.encode(mac).as_bytes())
    }
}

/// Where the log ends now.
///
/// # Errors
/// [`Kind::Storage`] when the head does not prove it: an anchor of a log that was tampered with would hold it in place.
pub fn anchor(store: &Store) -> Result<Anchor> {
    let _moment = store.db().moment()?;
    let end = proven_end(store)?;
    Ok(Anchor {
        store_id: store.id().to_owned(),
        seq: end.seq,
        at: store.now(),
        mac: HEXLOWER.encode(&end.mac),
    })
}
