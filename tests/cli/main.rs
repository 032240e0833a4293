//! The command line, end to end: every command with stdout, stderr and exit status asserted whole, in a cleared
//! environment with a fixed clock.
//!
//! One binary for all nouns; one file for each. A snapshot is filled in or renewed with `SNAPSHOTS=overwrite cargo test
//! --test cli`, and then read.

// A test that cannot go on panics; a snapshot is as long as what it shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines
)]
#![allow(
    clippy::needless_raw_string_hashes,
    clippy::needless_raw_strings,
    missing_docs
)]

#[cfg(unix)]
mod account;
mod acting_user;
mod again;
mod audit;
mod audit_archive;
mod authenticator;
mod authenticator_confirm;
mod backup;
mod completions;
mod completions_values;
mod concurrency;
mod confirmation;
mod confirmation_all;
mod confirmation_mail;
mod coverage;
mod deadlock;
mod delivery;
mod delivery_hostile;
mod delivery_secrets;
mod doctor;
mod doctor_file;
#[cfg(feature = "saml")]
mod doctor_idps;
mod doctor_key;
#[cfg(unix)]
mod doctor_machine;
mod doctor_methods;
#[cfg(unix)]
mod doctor_modes;
mod doctor_online;
mod doctor_output;
mod doctor_people;
mod doctor_rows;
mod doctor_schema;
mod doctor_secrets;
mod doctor_settings;
mod doctor_values;
mod environment;
mod escalation;
mod examples;
mod examples_of_help;
mod fences;
mod group;
mod help;
#[cfg(feature = "saml")]
mod idp;
#[cfg(feature = "saml")]
mod idp_completions;
#[cfg(feature = "saml")]
mod idp_default;
#[cfg(feature = "saml")]
mod idp_keys;
#[cfg(feature = "saml")]
mod idp_lockout;
#[cfg(feature = "saml")]
mod idp_restore;
#[cfg(feature = "saml")]
mod idp_rules;
#[cfg(feature = "saml")]
mod idp_test;
mod init;
mod init_files;
mod key;
mod key_passphrase;
mod key_rotate;
mod key_sources;
mod lines;
mod lints;
mod login;
mod login_enrolment;
mod login_explain;
mod login_method;
mod login_resend;
mod login_simulate;
#[cfg(feature = "saml")]
mod login_sso;
#[cfg(feature = "saml")]
mod login_sso_way;
mod login_start;
mod login_tries;
mod login_verify;
mod login_words;
#[cfg(feature = "saml")]
#[allow(dead_code, reason = "the tests of the library use the rest")]
#[path = "../saml/made.rs"]
mod made;
mod mail_server;
mod mailbox;
mod mailbox_edit;
#[cfg(unix)]
mod mailbox_files;
mod man;
mod meantime;
#[cfg(unix)]
mod memory;
mod method;
mod oauth_client;
mod oauth_client_token;
mod outbox;
mod output;
mod password;
mod password_change;
mod password_policy;
mod password_recover;
mod permission;
mod permission_edit;
mod permission_guards;
mod policy;
mod policy_mistakes;
mod policy_prune;
mod policy_rights;
mod policy_secrets;
mod reach;
#[cfg(unix)]
mod readme;
mod recovery_codes;
mod restore;
#[cfg(unix)]
mod sendmail;
mod setting;
mod shell_words;
mod sms_delivery;
mod sms_provider;
mod sso_explain;
mod sso_required;
mod status;
mod store;
#[cfg(unix)]
mod store_full;
mod template;
#[cfg(unix)]
mod template_edit;
mod template_language;
mod template_set;
#[cfg(unix)]
mod terminal;
mod user;
mod user_edit;
mod user_exchange;
mod user_hashes;
mod user_import;
mod user_list;
mod user_names;
mod user_state;
mod world;
