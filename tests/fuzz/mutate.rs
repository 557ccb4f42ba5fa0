//! Damage to files, as a function of a number.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Numbers that sizes and offsets are hurt by.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    1 << 20,
    0x7fff_ffff,
    0xffff_ffff,
    1_000_000_000_000,
    i64::MAX as u64,
    u64::MAX,
];
/// Words that stand where text has a number.
const WORDS: [&str; 10] = ["-1", "1e999", "nan", "999999999999", "\"", "[", "{", "\n", ",", "\u{0}"];

/// A damaged copy, the same for the same number; `other` lends pieces.
pub fn mutated(whole: &[u8], other: &[u8], number: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(number);
    let mut bytes = whole.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        damage(&mut bytes, other, &mut rng);
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
    let length = bytes.len();
    // Headers and directories are at the ends: half of the damage goes there.
    let at = match rng.random_range(0..4) {
        0 => rng.random_range(0..length.min(256)),
        1 => length - 1 - rng.random_range(0..length.min(256)),
        _ => rng.random_range(0..length),
    };
    let run = rng.random_range(1..=16).min(length - at);
    match rng.random_range(0..10) {
        0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
        2 => bytes[at] = rng.random(),
        3 => {
            let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
            let width = [1, 2, 4, 8][rng.random_range(0..4)];
            let number =
                if rng.random() { number.to_le_bytes() } else { (number << (64 - 8 * width)).to_be_bytes() };
            let n = width.min(length - at);
            bytes[at..at + n].copy_from_slice(&number[..n]);
        }
        4 => bytes[at..at + run].fill([0, 0xff][rng.random_range(0..2)]),
        5 => {
            let from = rng.random_range(0..length - run + 1);
            bytes.copy_within(from..from + run, at);
        }
        6 => drop(bytes.drain(at..at + run)),
        7 => {
            let word = WORDS[rng.random_range(0..WORDS.len())];
            bytes.splice(at..at, word.bytes());
        }
        8 => {
            let from = rng.random_range(0..other.len().max(1)).min(other.len());
            let piece = &other[from..(from + 4 * run).min(other.len())];
            bytes.splice(at..(at + piece.len()).min(length), piece.iter().copied());
        }
        _ => bytes.truncate(at),
    }
}
