//! See `twofa::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| twofa::fuzzing::run("saml_metadata", bytes));
