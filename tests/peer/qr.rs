//! QR codes are read back by zbarimg, wherever they are drawn.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::{Eof, Expect as _, Session};

use crate::world::World;
use crate::{peer, succeeds};

/// What zbarimg reads in an image.
fn read(image: &Path) -> String {
    let zbarimg = peer("zbarimg", "apt-get install zbar-tools");
    succeeds(
        Command::new(zbarimg)
            .args(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"])
            .arg(image),
    )
    .trim_end_matches('\n')
    .to_owned()
}

/// The URI that stands as text below a drawing.
fn uri(answer: &str) -> &str {
    answer
        .lines()
        .find_map(|line| line.strip_prefix("uri"))
        .expect("the URI stands in the answer")
        .trim()
}

/// A picture of what a terminal shows, 8 by 16 pixels a cell, on a page of `background`.
///
/// Only what our drawing uses is drawn: colours out of the table of 256, the reset, and the upper half block. Other
/// characters are left blank.
fn paint(answer: &str, background: u8, file: &Path) {
    let mut cells: Vec<Vec<(u8, u8)>> = Vec::new();
    for line in answer.lines() {
        let (mut upper, mut lower) = (background, background);
        let mut row = Vec::new();
        let mut rest = line.chars();
        while let Some(c) = rest.next() {
            match c {
                '\u{1b}' => {
                    let sequence: String = rest.by_ref().take_while(|c| *c != 'm').collect();
                    let numbers: Vec<&str> = sequence.trim_start_matches('[').split(';').collect();
                    match numbers.as_slice() {
                        ["0"] => (upper, lower) = (background, background),
                        ["38", "5", fore, "48", "5", back] => {
                            (upper, lower) = (grey(fore), grey(back));
                        }
                        _ => panic!("a colour that is not ours: {sequence}"),
                    }
                }
                '▀' => row.push((upper, lower)),
                '\r' => {}
                _ => row.push((background, background)),
            }
        }
        cells.push(row);
    }
    let columns = cells.iter().map(Vec::len).max().unwrap();
    let (width, height) = (8 * columns, 16 * cells.len());
    let mut pixels = vec![background; width * height];
    for (y, line) in pixels.chunks_mut(width).enumerate() {
        for (x, pixel) in line.iter_mut().enumerate() {
            if let Some((upper, lower)) = cells[y / 16].get(x / 8) {
                *pixel = if y % 16 < 8 { *upper } else { *lower };
            }
        }
    }
    let out = std::fs::File::create(file).unwrap();
    let side = |pixels: usize| u32::try_from(pixels).unwrap();
    let mut encoder = png::Encoder::new(out, side(width), side(height));
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
}

/// Black and white of the table of 256 colours.
fn grey(colour: &str) -> u8 {
    match colour {
        "16" => 0,
        "231" => 255,
        _ => panic!("neither black nor white: {colour}"),
    }
}

/// A login as people have them: with an address in it, which the label of the URI escapes.
fn people() -> World {
    let world = World::new();
    world.ok("user add 'zoë.o''neill@example.org'");
    world
}

const LOGIN: &str = "'zoë.o''neill@example.org'";

#[test]
fn the_png_file() {
    let world = people();
    let enrolment = world.json(&format!(
        "authenticator connect {LOGIN} --qr png --out f.png"
    ));
    assert_eq!(read(&world.file("f.png")), enrolment["uri"]);
}

#[test]
fn the_svg_file() {
    let converter = peer("rsvg-convert", "apt-get install librsvg2-bin");
    let world = people();
    let enrolment = world.json(&format!(
        "authenticator connect {LOGIN} --qr svg --out f.svg"
    ));
    succeeds(
        Command::new(converter)
            .args(["--output", "f.png", "f.svg"])
            .current_dir(world.path()),
    );
    assert_eq!(read(&world.file("f.png")), enrolment["uri"]);
}

#[test]
fn the_drawing_on_dark_and_light_backgrounds() {
    let world = people();
    let answer = world.ok(&format!("authenticator connect {LOGIN} --qr terminal"));
    // Black, white, and the greys of popular themes.
    for background in [0, 0x28, 0x80, 0xf5, 255] {
        let file = world.file(&format!("{background}.png"));
        paint(&answer.stdout, background, &file);
        assert_eq!(read(&file), uri(&answer.stdout), "on {background}");
    }
}

#[test]
fn the_drawing_of_a_real_terminal() {
    let world = people();
    let connect = world.run(&format!("authenticator connect {LOGIN}"));
    for (columns, drawn) in [(120, true), (24, false)] {
        let answer = on_terminal(&connect.command(), columns);
        if drawn {
            for background in [0, 255] {
                let file = world.file("terminal.png");
                paint(drawing(&answer), background, &file);
                assert_eq!(read(&file), uri(&answer), "on {background}");
            }
        } else {
            assert!(!answer.contains('▀'), "{answer}");
            assert!(
                answer.contains("The terminal is too narrow for the QR code"),
                "{answer}"
            );
            uri(&answer);
        }
    }
}

/// The part of an answer with the drawing in it; what else stands there may have colours of its own.
fn drawing(answer: &str) -> &str {
    let end = answer
        .rfind('▀')
        .unwrap_or_else(|| panic!("no QR code is drawn: {answer}"));
    answer[end..]
        .find('\n')
        .map_or(answer, |line| &answer[..end + line])
}

/// What a command prints to a terminal of so many columns.
fn on_terminal(command: &Command, columns: u16) -> String {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!(
            "read go; stty rows 50 cols {columns}; exec \"$0\" \"$@\""
        ))
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm-256color")
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let mut session = Session::spawn(shell).unwrap();
    // The terminal is given a size when it is made; only after that ours holds.
    session.send("\n").unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(30)));
    let all = session.expect(Eof).unwrap();
    String::from_utf8(all.as_bytes().to_vec()).unwrap()
}
