//! Every parser of the table, with bytes of any kind and with what it reads when all is well, spoiled.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::{PARSERS, Parser};

/// One run with a few hundred bytes takes microseconds; longer than this, on any machine, it hangs.
const LONGEST: Duration = Duration::from_secs(10);

/// What parsers look for.
const TOKENS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\"",
    b"'",
    b"\\",
    b"=",
    b",",
    b";",
    b":",
    b"/",
    b"$",
    b"#",
    b"[",
    b"]",
    b"{",
    b"}",
    b"<",
    b">",
    b"-->",
    b"<!--",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"99999999999999999999",
    b"-1",
    b"0",
    b"%00",
    b"\x1b[0m",
    b"\"\"\"",
    b"[[a]]",
    b"1e999",
    b"\\u0000",
];

/// So many for each parser, unless `PROPTEST_CASES` says otherwise.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if usual.cases == 256 { 48 } else { usual.cases };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..usual
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Put(u8),
    Insert(usize),
    Cut(usize),
    Repeat(usize, usize),
}

fn edit() -> impl Strategy<Value = (Index, Edit)> {
    let edit = prop_oneof![
        any::<u8>().prop_map(Edit::Put),
        (0..TOKENS.len()).prop_map(Edit::Insert),
        (1usize..40).prop_map(Edit::Cut),
        (1usize..20, 1usize..40).prop_map(|(length, times)| Edit::Repeat(length, times)),
    ];
    (any::<Index>(), edit)
}

/// Something that one of the seeds became, or nothing that resembles them.
fn bytes(parser: &'static Parser) -> impl Strategy<Value = Vec<u8>> {
    let seeds = proptest::sample::select(parser.seeds);
    let spoiled = (seeds, prop::collection::vec(edit(), 0..6)).prop_map(|(seed, edits)| {
        let mut bytes = seed.to_vec();
        for (at, edit) in edits {
            let at = at.index(bytes.len() + 1);
            match edit {
                Edit::Put(byte) if at < bytes.len() => bytes[at] = byte,
                Edit::Put(byte) => bytes.push(byte),
                Edit::Insert(token) => drop(bytes.splice(at..at, TOKENS[token].iter().copied())),
                Edit::Cut(length) => drop(bytes.drain(at..(at + length).min(bytes.len()))),
                Edit::Repeat(length, times) => {
                    let part = bytes[at..(at + length).min(bytes.len())].repeat(times);
                    drop(bytes.splice(at..at, part));
                }
            }
        }
        bytes
    });
    prop_oneof![
        3 => spoiled,
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => any::<String>().prop_map(String::into_bytes),
    ]
}

#[expect(
    clippy::disallowed_methods,
    reason = "a hang is measured by the machine's clock"
)]
fn timed(parser: &Parser, bytes: &[u8]) -> Duration {
    let from = Instant::now();
    (parser.run)(bytes);
    from.elapsed()
}

fn hold(parsers: &'static [Parser]) {
    for parser in parsers {
        for seed in parser.seeds {
            (parser.run)(seed);
        }
        (parser.run)(b"");
        let run = TestRunner::new(cases()).run(&bytes(parser), |bytes| {
            let took = timed(parser, &bytes);
            prop_assert!(took < LONGEST, "{} took {took:?}", parser.name);
            Ok(())
        });
        run.unwrap_or_else(|failure| panic!("{}: {failure}", parser.name));
    }
}

/// A half of the table each, for two processors.
#[test]
fn no_bytes_are_too_strange() {
    hold(PARSERS.split_at(PARSERS.len() / 2).0);
}

#[test]
fn no_bytes_are_too_strange_for_the_others() {
    hold(PARSERS.split_at(PARSERS.len() / 2).1);
}

/// The fuzzer has a target for each of them, and no other.
#[test]
fn every_parser_is_fuzzed() {
    let names: BTreeSet<&str> = PARSERS.iter().map(|parser| parser.name).collect();
    assert_eq!(names.len(), PARSERS.len());
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
    let files: BTreeSet<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(
        files.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        names
    );
    let manifest = include_str!("../../fuzz/Cargo.toml");
    for name in names {
        let target = std::fs::read_to_string(format!("{directory}/{name}.rs")).unwrap();
        assert!(
            target.contains(&format!("run(\"{name}\", bytes)")),
            "{name}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
