//! By what right a process works on a store, and on whose behalf.
//!
//! Reading the process is the binary's business; judging it is here, and pure.

/// What the process says of itself, and the variables of sudo, doas and pkexec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Effective uid; `None` where accounts have no such ids.
    pub effective: Option<u32>,
    /// Real uid.
    pub real: Option<u32>,
    /// The account that each variable which is set names: `SUDO_UID`, `DOAS_USER`, `PKEXEC_UID`. `None` for one that
    /// names no account.
    pub named: Vec<Option<u32>>,
}

impl Process {
    /// Whether a program runs with its owner's rights for somebody else, as a set-uid one does. What the variables say
    /// is then theirs.
    fn is_lent(&self) -> bool {
        self.real != self.effective
    }

    /// The account that called, as far as it can be told: the one that sudo, doas or pkexec name, else the real uid.
    /// `None` when they name none, or several.
    #[must_use]
    pub fn caller(&self, owner: Option<u32>) -> Option<u32> {
        // Another account could claim to be anybody; to root and the owner a variable gives nothing they do not have.
        if self.is_lent() || self.authority(owner) == Authority::Other {
            return self.real;
        }
        let mut others = self
            .named
            .iter()
            .filter(|named| **named != self.effective)
            .copied();
        match others.next() {
            None => self.real,
            Some(first) if others.all(|other| other == first) => first,
            Some(_) => None,
        }
    }

    /// Under which authority this process works on a store that belongs to `owner`. What cannot be told is the lesser.
    #[must_use]
    pub fn authority(&self, owner: Option<u32>) -> Authority {
        match self.effective {
            None => Authority::Owner,
            Some(0) => Authority::Root,
            Some(_) if owner != self.effective => Authority::Other,
            Some(_) => {
                let own = self.named.iter().all(|named| *named == self.effective);
                if own && !self.is_lent() {
                    Authority::Owner
                } else {
                    Authority::Delegated
                }
            }
        }
    }
}

/// By what right a process works on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Effective uid 0, however reached.
    Root,
    /// The store's owner.
    Owner,
    /// The store's owner on behalf of another account, through sudo, doas or pkexec.
    Delegated,
    /// Another account that can open the store.
    Other,
}

impl Authority {
    /// Whether it may say on whose behalf it acts, and provision.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(self, Authority::Root | Authority::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_judged_in_order() {
        let run = |real: u32, effective: u32, named: &[Option<u32>]| Process {
            effective: Some(effective),
            real: Some(real),
            named: named.to_vec(),
        };
        let own = |uid: u32, named: &[Option<u32>]| run(uid, uid, named);
        // The store belongs to 200.
        for (process, authority, caller) in [
            (own(0, &[]), Authority::Root, Some(0)),
            (own(0, &[Some(0)]), Authority::Root, Some(0)),
            (own(0, &[Some(1000)]), Authority::Root, Some(1000)),
            (own(0, &[None]), Authority::Root, None),
            (run(1000, 0, &[Some(0)]), Authority::Root, Some(1000)),
            (own(200, &[]), Authority::Owner, Some(200)),
            (
                own(200, &[Some(200), Some(200)]),
                Authority::Owner,
                Some(200),
            ),
            (own(200, &[Some(0)]), Authority::Delegated, Some(0)),
            (own(200, &[Some(1000)]), Authority::Delegated, Some(1000)),
            // None of them outranks another, and what names nobody is not the owner.
            (own(200, &[None]), Authority::Delegated, None),
            (
                own(200, &[Some(200), Some(1000)]),
                Authority::Delegated,
                Some(1000),
            ),
            (own(200, &[Some(200), None]), Authority::Delegated, None),
            (
                own(200, &[Some(1000), Some(1001)]),
                Authority::Delegated,
                None,
            ),
            // A set-uid program: the variables are the caller's own words.
            (run(1000, 200, &[]), Authority::Delegated, Some(1000)),
            (
                run(1000, 200, &[Some(200)]),
                Authority::Delegated,
                Some(1000),
            ),
            (
                run(1000, 200, &[Some(1001), None]),
                Authority::Delegated,
                Some(1000),
            ),
            (own(1000, &[]), Authority::Other, Some(1000)),
            (own(1000, &[Some(200)]), Authority::Other, Some(1000)),
            (run(1000, 300, &[Some(300)]), Authority::Other, Some(1000)),
        ] {
            assert_eq!(process.authority(Some(200)), authority, "{process:?}");
            assert_eq!(process.caller(Some(200)), caller, "{process:?}");
        }
        assert_eq!(Process::default().authority(None), Authority::Owner);
    }
}
