//! Names that stand in a file more than once, found in little memory: eight bytes a name.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Parts that grow on their own, one for each first byte of a fingerprint: one list that doubles would need three times its
/// room for a moment.
const PARTS: usize = 256;

/// Fingerprints of names. Two names may have one; what is found here is looked at again.
///
/// Their key is random, and needs no clock of ours: no answer depends on it, and nobody can make a file of names that share
/// one.
pub(super) struct Fingerprints {
    hash: RandomState,
    parts: Vec<Vec<u64>>,
}

impl Fingerprints {
    pub(super) fn new() -> Fingerprints {
        Fingerprints {
            hash: RandomState::new(),
            parts: vec![Vec::new(); PARTS],
        }
    }

    fn of(&self, key: &str) -> u64 {
        self.hash.hash_one(key)
    }

    pub(super) fn add(&mut self, key: &str) {
        let print = self.of(key);
        let [part, ..] = print.to_le_bytes();
        if let Some(part) = self.parts.get_mut(usize::from(part)) {
            part.push(print);
        }
    }

    /// Those that stand more than once.
    pub(super) fn twice(mut self) -> Twice {
        let mut prints = HashMap::new();
        for part in &mut self.parts {
            part.sort_unstable();
            for pair in part.windows(2) {
                if let [one, other] = pair
                    && one == other
                {
                    prints.insert(*one, Vec::new());
                }
            }
            // Its room is needed for what comes next.
            *part = Vec::new();
        }
        Twice {
            hash: self.hash,
            prints,
        }
    }
}

/// Names that may stand more than once, with the line where each was met first.
#[derive(Debug, Default)]
pub(super) struct Twice {
    hash: RandomState,
    prints: HashMap<u64, Vec<(String, u64)>>,
}

impl Twice {
    /// None that is known of.
    pub(super) fn none() -> Twice {
        Twice::default()
    }

    /// Whether every name stands once.
    pub(super) fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    /// Notes that a name stands in a line. Lines come in their order.
    pub(super) fn note(&mut self, key: &str, line: u64) {
        let print = self.hash.hash_one(key);
        if let Some(met) = self.prints.get_mut(&print)
            && !met.iter().any(|(other, _)| other == key)
        {
            met.push((key.to_owned(), line));
        }
    }

    /// The earlier line in which a name stands, if there is one.
    pub(super) fn earlier(&self, key: &str, line: u64) -> Option<u64> {
        let met = self.prints.get(&self.hash.hash_one(key))?;
        let first = met.iter().find(|(other, _)| other == key)?.1;
        (first < line).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Exactly the names that stood in an earlier line are found, with the first of those lines.
        #[test]
        fn what_stands_twice_is_found(names in prop::collection::vec("[a-d]{1,2}", 0..60)) {
            let mut prints = Fingerprints::new();
            for name in &names {
                prints.add(name);
            }
            let mut twice = prints.twice();
            for (name, line) in names.iter().zip(2..) {
                twice.note(name, line);
            }
            let mut first: HashMap<&String, u64> = HashMap::new();
            for (name, line) in names.iter().zip(2..) {
                prop_assert_eq!(twice.earlier(name, line), first.get(name).copied());
                first.entry(name).or_insert(line);
            }
        }
    }
}
