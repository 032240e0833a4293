//! A count with some names: administrators before everybody else.

use crate::name::fold;

/// How many, and who they are.
pub(super) struct Tops {
    pub(super) count: u64,
    pub(super) administrators: u64,
    /// Administrators, then the others: those that came first.
    names: [Vec<String>; 2],
    /// How many names are told. `None`: all.
    most: Option<usize>,
}

impl Tops {
    pub(super) fn new(most: Option<usize>) -> Tops {
        Tops {
            count: 0,
            administrators: 0,
            names: [Vec::new(), Vec::new()],
            most,
        }
    }

    pub(super) fn count(&mut self, login: &str, is_administrator: bool) {
        self.count += 1;
        self.administrators += u64::from(is_administrator);
        let names = &mut self.names[usize::from(!is_administrator)];
        if self.most.is_none_or(|most| names.len() < most) {
            names.push(login.to_owned());
        }
    }

    /// The names, administrators and the others each in their order.
    pub(super) fn into_names(self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for mut some in self.names {
            some.sort_by_cached_key(|login| fold(login));
            names.extend(some);
        }
        names.truncate(self.most.unwrap_or(usize::MAX));
        names
    }
}
