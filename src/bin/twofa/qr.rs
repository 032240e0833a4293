//! QR codes: in the terminal, as SVG, as PNG.
//!
//! In the terminal every module is painted black on white with explicit colours, so that phones read it on dark and on
//! light backgrounds; two rows of modules share a line of half blocks.

use qrcode::render::svg;
use qrcode::{Color, EcLevel, QrCode};
use twofa::error::{Error, Kind, Result};
use twofa::secret::Secret;

/// The white edge a reader needs, in modules (ISO/IEC 18004, section 9.1).
const QUIET: usize = 4;
/// Pixels of a module in a PNG; at one pixel readers fail.
const SCALE: usize = 8;

const BLACK: u8 = 16;
const WHITE: u8 = 231;

fn encode(text: &Secret) -> Result<QrCode> {
    QrCode::with_error_correction_level(text.expose().as_bytes(), EcLevel::M).map_err(|error| {
        Error::new(Kind::InvalidValue, "the URI does not fit into a QR code").because(error)
    })
}

/// Whether the module is black; outside of the code everything is white.
fn is_black(code: &QrCode, x: usize, y: usize) -> bool {
    let inside = QUIET..code.width() + QUIET;
    inside.contains(&x) && inside.contains(&y) && code[(x - QUIET, y - QUIET)] == Color::Dark
}

/// The code as lines for a terminal of `width` columns. `None`: it is too narrow.
pub fn terminal(text: &Secret, width: Option<u16>) -> Result<Option<String>> {
    let code = encode(text)?;
    let size = code.width() + 2 * QUIET;
    if width.is_some_and(|width| usize::from(width) < size) {
        return Ok(None);
    }
    let paint = |black: bool| if black { BLACK } else { WHITE };
    let mut lines = String::new();
    for y in (0..size).step_by(2) {
        let mut last = None;
        for x in 0..size {
            let colours = (
                paint(is_black(&code, x, y)),
                paint(is_black(&code, x, y + 1)),
            );
            if last != Some(colours) {
                lines.push_str(&format!("\u{1b}[38;5;{};48;5;{}m", colours.0, colours.1));
                last = Some(colours);
            }
            lines.push('▀');
        }
        lines.push_str("\u{1b}[0m\n");
    }
    Ok(Some(lines))
}

/// The code as an SVG document.
pub fn svg(text: &Secret) -> Result<String> {
    Ok(encode(text)?
        .render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build())
}

/// The code as a PNG file.
pub fn png(text: &Secret) -> Result<Vec<u8>> {
    let code = encode(text)?;
    let modules = code.width() + 2 * QUIET;
    let size = modules * SCALE;
    let failed =
        |error: png::EncodingError| Error::new(Kind::Io, "cannot write the PNG").because(error);
    let pixels: Vec<u8> = (0..size * size)
        .map(|at| {
            if is_black(&code, at % size / SCALE, at / size / SCALE) {
                0
            } else {
                255
            }
        })
        .collect();
    let mut bytes = Vec::new();
    let side = u32::try_from(size)
        .map_err(|_| Error::new(Kind::InvalidValue, "the QR code is too large"))?;
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_gets_none() {
        let text = Secret::from(
            "otpauth://totp/twofa:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=twofa",
        );
        assert!(terminal(&text, Some(30)).unwrap().is_none());
        let lines = terminal(&text, Some(80)).unwrap().unwrap();
        let widths: Vec<usize> = lines
            .lines()
            .map(|line| line.chars().filter(|c| *c == '▀').count())
            .collect();
        assert!(
            widths
                .iter()
                .all(|width| *width == widths[0] && *width <= 80)
        );
        assert_eq!(widths.len(), widths[0].div_ceil(2));
    }
}
