//! What a centre says came of a request: `command_status` (SMPP 3.4, section 5.1.3).

use std::fmt;

/// A `command_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(pub u32);

/// Number, name and meaning of each that is defined (SMPP 3.4, section 5.1.3, table 5-2).
const KNOWN: &[(u32, &str, &str)] = &[
    (0x00, "ESME_ROK", "all is well"),
    (0x01, "ESME_RINVMSGLEN", "the message has a wrong length"),
    (0x02, "ESME_RINVCMDLEN", "the command has a wrong length"),
    (0x03, "ESME_RINVCMDID", "the command is not known"),
    (
        0x04,
        "ESME_RINVBNDSTS",
        "the command does not fit how the session is bound",
    ),
    (0x05, "ESME_RALYBND", "it is bound already"),
    (0x06, "ESME_RINVPRTFLG", "the priority is not valid"),
    (
        0x07,
        "ESME_RINVREGDLVFLG",
        "registered_delivery is not valid",
    ),
    (0x08, "ESME_RSYSERR", "the centre has an error of its own"),
    (0x0a, "ESME_RINVSRCADR", "the source address is not valid"),
    (
        0x0b,
        "ESME_RINVDSTADR",
        "the destination address is not valid",
    ),
    (0x0c, "ESME_RINVMSGID", "the message id is not valid"),
    (0x0d, "ESME_RBINDFAIL", "the bind failed"),
    (0x0e, "ESME_RINVPASWD", "the password is wrong"),
    (0x0f, "ESME_RINVSYSID", "the system_id is not valid"),
    (0x11, "ESME_RCANCELFAIL", "cancel_sm failed"),
    (0x13, "ESME_RREPLACEFAIL", "replace_sm failed"),
    (0x14, "ESME_RMSGQFUL", "the queue of messages is full"),
    (0x15, "ESME_RINVSERTYP", "the service type is not valid"),
    (
        0x33,
        "ESME_RINVNUMDESTS",
        "the number of destinations is not valid",
    ),
    (
        0x34,
        "ESME_RINVDLNAME",
        "the name of the distribution list is not valid",
    ),
    (0x40, "ESME_RINVDESTFLAG", "dest_flag is not valid"),
    (
        0x42,
        "ESME_RINVSUBREP",
        "a message cannot be submitted to replace another",
    ),
    (0x43, "ESME_RINVESMCLASS", "esm_class is not valid"),
    (
        0x44,
        "ESME_RCNTSUBDL",
        "nothing can be submitted to the distribution list",
    ),
    (0x45, "ESME_RSUBMITFAIL", "submit_sm or submit_multi failed"),
    (
        0x48,
        "ESME_RINVSRCTON",
        "the type of the source address is not valid",
    ),
    (
        0x49,
        "ESME_RINVSRCNPI",
        "the numbering plan of the source address is not valid",
    ),
    (
        0x50,
        "ESME_RINVDSTTON",
        "the type of the destination address is not valid",
    ),
    (
        0x51,
        "ESME_RINVDSTNPI",
        "the numbering plan of the destination address is not valid",
    ),
    (0x53, "ESME_RINVSYSTYP", "the system_type is not valid"),
    (
        0x54,
        "ESME_RINVREPFLAG",
        "replace_if_present_flag is not valid",
    ),
    (
        0x55,
        "ESME_RINVNUMMSGS",
        "the number of messages is not valid",
    ),
    (
        0x58,
        "ESME_RTHROTTLED",
        "more was sent than is allowed in this time",
    ),
    (0x61, "ESME_RINVSCHED", "the time of delivery is not valid"),
    (0x62, "ESME_RINVEXPIRY", "the validity period is not valid"),
    (
        0x63,
        "ESME_RINVDFTMSGID",
        "the predefined message is not valid or not there",
    ),
    (
        0x64,
        "ESME_RX_T_APPN",
        "the receiving application has a temporary error",
    ),
    (
        0x65,
        "ESME_RX_P_APPN",
        "the receiving application has a permanent error",
    ),
    (
        0x66,
        "ESME_RX_R_APPN",
        "the receiving application rejects the message",
    ),
    (0x67, "ESME_RQUERYFAIL", "query_sm failed"),
    (
        0xc0,
        "ESME_RINVOPTPARSTREAM",
        "the optional parameters cannot be read",
    ),
    (
        0xc1,
        "ESME_ROPTPARNOTALLWD",
        "an optional parameter is not allowed",
    ),
    (0xc2, "ESME_RINVPARLEN", "a parameter has a wrong length"),
    (
        0xc3,
        "ESME_RMISSINGOPTPARAM",
        "an optional parameter is missing",
    ),
    (
        0xc4,
        "ESME_RINVOPTPARAMVAL",
        "an optional parameter is not valid",
    ),
    (0xfe, "ESME_RDELIVERYFAILURE", "the delivery failed"),
    (
        0xff,
        "ESME_RUNKNOWNERR",
        "the centre does not know what is wrong",
    ),
];

impl Status {
    pub(super) const OK: Status = Status(0x00);
    pub(super) const UNKNOWN_COMMAND: Status = Status(0x03);
    pub(super) const WRONG_BIND: Status = Status(0x04);
    /// A carrier that takes one bind at a time says so of the second of two logins at once.
    const ALREADY_BOUND: Status = Status(0x05);
    const SYSTEM_ERROR: Status = Status(0x08);
    const QUEUE_FULL: Status = Status(0x14);
    const THROTTLED: Status = Status(0x58);
    const RECEIVER_TEMPORARY: Status = Status(0x64);

    /// Whether trying again may help.
    pub(super) fn is_temporary(self) -> bool {
        [
            Status::ALREADY_BOUND,
            Status::SYSTEM_ERROR,
            Status::QUEUE_FULL,
            Status::THROTTLED,
            Status::RECEIVER_TEMPORARY,
        ]
        .contains(&self)
    }

    /// What it means.
    pub(super) fn meaning(self) -> &'static str {
        match (self.known(), self.0) {
            (Some((_, meaning)), _) => meaning,
            (None, 0x0400..=0x04ff) => "an error that only this centre knows",
            (None, _) => "an error that SMPP 3.4 does not know",
        }
    }

    fn known(self) -> Option<(&'static str, &'static str)> {
        let row = KNOWN.iter().find(|(number, ..)| *number == self.0)?;
        Some((row.1, row.2))
    }
}

/// Name and number.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((name, _)) => write!(f, "{name} ({:#010x})", self.0),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_name() {
        for two in KNOWN.windows(2) {
            assert!(two[0].0 < two[1].0, "{:?}", two[1]);
        }
        let mut names: Vec<_> = KNOWN.iter().map(|row| row.1).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KNOWN.len());
        assert!(names.iter().all(|name| name.starts_with("ESME_R")));
    }

    #[test]
    fn a_status_is_shown_with_its_number() {
        let shown = |number| format!("{}: {}", Status(number), Status(number).meaning());
        assert_eq!(
            shown(0x0e),
            "ESME_RINVPASWD (0x0000000e): the password is wrong"
        );
        assert_eq!(
            shown(0x0401),
            "0x00000401: an error that only this centre knows"
        );
        assert_eq!(
            shown(0x09),
            "0x00000009: an error that SMPP 3.4 does not know"
        );
    }

    #[test]
    fn few_are_worth_trying_again() {
        let again: Vec<u32> = (0..=0x500)
            .filter(|number| Status(*number).is_temporary())
            .collect();
        assert_eq!(again, [0x05, 0x08, 0x14, 0x58, 0x64]);
    }
}
