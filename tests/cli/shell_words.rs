//! The words that a shell would hand to twofa, of a line in a help text. The binary's own tests read it too.

/// A word, or a sign between words.
enum Piece {
    Word(String),
    Sign(char),
}

/// The examples in a help text, each as one line.
pub fn examples(help: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in help
        .lines()
        .skip_while(|line| *line != "Examples:")
        .skip(1)
        .take_while(|line| !line.is_empty())
    {
        let text = line.trim_end_matches('\\').trim();
        match found.last_mut() {
            Some(last) if goes_on => last.push_str(&format!(" {text}")),
            _ => found.push(text.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// The words of the first program named `twofa` on a line, itself left out: without the pipe before it, the files behind it
/// and the variables in front.
pub fn of_twofa(line: &str) -> Option<Vec<String>> {
    let pieces = pieces(line);
    let programs = pieces.split(|piece| matches!(piece, Piece::Sign('|' | '(' | ')')));
    programs.into_iter().find_map(|program| {
        let mut words = program
            .iter()
            .map_while(|piece| match piece {
                Piece::Word(word) => Some(word.clone()),
                Piece::Sign(_) => None,
            })
            .skip_while(|word| word.contains('='));
        (words.next()? == "twofa").then(|| words.collect())
    })
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => pieces.extend(word.take().map(Piece::Word)),
            (None, '|' | '(' | ')' | '<' | '>') => {
                pieces.extend(word.take().map(Piece::Word));
                pieces.push(Piece::Sign(c));
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert!(quote.is_none(), "a quote stays open: {line}");
    pieces.extend(word.map(Piece::Word));
    pieces
}

#[test]
fn shells_split_like_this() {
    let words = |line| of_twofa(line).map(|words| words.join("/"));
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(words("twofa user show 'a b'"), said("user/show/a b"));
    assert_eq!(
        words("printf '%s|\\n' \"$P\" | twofa a - < file"),
        said("a/-")
    );
    assert_eq!(words("A=1 twofa export > file"), said("export"));
    assert_eq!(
        words("source <(twofa completions bash)"),
        said("completions/bash")
    );
    assert_eq!(
        words("ssh host twofa export | twofa diff -"),
        said("diff/-")
    );
    assert_eq!(words("twofa a --text ''"), said("a/--text/"));
    assert_eq!(words("ls"), None);
    assert_eq!(
        examples("x\n\nExamples:\n  twofa a \\\n      b\n  twofa c\n\nMore\n"),
        ["twofa a b", "twofa c"]
    );
}
