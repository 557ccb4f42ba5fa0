//! The colours of classes, a palette for each kind of world.
//!
//! All are built on the set of Okabe and Ito, which people with any common colour blindness tell
//! apart (M. Okabe, K. Ito: Color Universal Design, 2008).

/// A colour, 8 bits each of red, green and blue (sRGB).
pub type Rgb = [u8; 3];

/// A light neutral, for what is background.
const NEUTRAL: Rgb = [0xf0, 0xef, 0xea];
const SKY: Rgb = [0x56, 0xb4, 0xe9];
const ORANGE: Rgb = [0xe6, 0x9f, 0x00];
const GREEN: Rgb = [0x00, 0x9e, 0x73];
const PURPLE: Rgb = [0xcc, 0x79, 0xa7];
const YELLOW: Rgb = [0xf0, 0xe4, 0x42];
const BLUE: Rgb = [0x00, 0x72, 0xb2];
const VERMILION: Rgb = [0xd5, 0x5e, 0x00];
/// In place of the set's black, which outlines need.
const GREY: Rgb = [0x4a, 0x4a, 0x4a];

/// Worlds of figures on a background, up to 16 classes: class 0, the background, is a light
/// neutral; classes 1 to 8 are the set in the order that sets the first few furthest apart; the
/// last seven are darker or lighter shades of it.
pub const FIGURES: [Rgb; 16] = [
    NEUTRAL,
    SKY,
    ORANGE,
    GREEN,
    PURPLE,
    YELLOW,
    BLUE,
    VERMILION,
    GREY,
    [0xa6, 0xd8, 0xf4],
    [0x8a, 0x5f, 0x00],
    [0x7f, 0xcf, 0xb9],
    [0x7a, 0x3d, 0x5f],
    [0x9c, 0x92, 0x12],
    [0x00, 0x3f, 0x63],
    [0xf0, 0xb0, 0x84],
];

/// Two-phase microstructures: phase 0 light, phase 1 dark blue.
pub const TWO_PHASE: [Rgb; 2] = [NEUTRAL, BLUE];

/// Polycrystals of up to 16 orientations, none of which is a background: the set of
/// [`FIGURES`] from its first colour on, and its shades.
pub const ORIENTATIONS: [Rgb; 16] = {
    let mut colours = FIGURES;
    let mut i = 0;
    while i < 15 {
        colours[i] = FIGURES[i + 1];
        i += 1;
    }
    colours[15] = [0xb4, 0xb4, 0xb4];
    colours
};

/// The colour of a class.
///
/// # Panics
/// If the palette has no colour for it.
#[must_use]
#[track_caller]
pub fn colour(palette: &[Rgb], class: usize) -> Rgb {
    assert!(class < palette.len(), "class {class}: the palette has {} colours", palette.len());
    palette[class]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_of_a_palette_differ() {
        for palette in [&FIGURES[..], &TWO_PHASE, &ORIENTATIONS] {
            for (i, a) in palette.iter().enumerate() {
                for b in &palette[..i] {
                    // Summed over the channels: less than this is hard to tell apart in a small grain.
                    let distance: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
                    assert!(distance >= 60, "{a:?} and {b:?}");
                }
            }
        }
    }
}
