//! The filter LZF (number 32000), which h5py writes with `compression="lzf"`.
//!
//! A byte below 32 announces that many literal bytes and one; any other is a repeat: its upper three
//! bits are the length less two (seven: another byte is added), its lower five and the following byte
//! the distance less one.

/// Least length of a repeat.
const SHORTEST: usize = 2;
/// This length is continued in another byte.
const CONTINUED: usize = 7;

/// Decompresses one chunk; a repeat makes at most 88 bytes of each one read.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn decode(data: &[u8]) -> Result<Vec<u8>, String> {
    let short = || "LZF data are cut short".to_string();
    let next = |rest: &mut &[u8]| {
        let (&byte, after) = rest.split_first().ok_or_else(short)?;
        *rest = after;
        Ok::<_, String>(usize::from(byte))
    };
    let mut out = Vec::with_capacity(2 * data.len());
    let mut rest = data;
    while !rest.is_empty() {
        let control = next(&mut rest)?;
        if control < 32 {
            let (literal, after) = rest.split_at_checked(control + 1).ok_or_else(short)?;
            out.extend_from_slice(literal);
            rest = after;
            continue;
        }
        let mut length = control >> 5;
        if length == CONTINUED {
            length += next(&mut rest)?;
        }
        let distance = (control & 31) << 8 | next(&mut rest)?;
        let start = out.len().checked_sub(distance + 1).ok_or("LZF data repeat what was never there")?;
        // The repeat may reach into itself.
        for i in start..start + length + SHORTEST {
            out.push(out[i]);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn literals_and_repeats_are_decoded() {
        assert_eq!(decode(&[2, 7, 8, 9]), Ok(vec![7, 8, 9]));
        // Two literals, then six bytes from two back: the repeat reads what it writes.
        assert_eq!(decode(&[1, 7, 8, 4 << 5, 1]), Ok(vec![7, 8, 7, 8, 7, 8, 7, 8]));
        // A long repeat: 7 + 3 + 2 bytes of the last one.
        assert_eq!(decode(&[0, 5, 7 << 5, 3, 0]), Ok(vec![5; 13]));
        for damaged in [&[3, 1][..], &[1 << 5], &[7 << 5, 1], &[0, 5, 1 << 5, 9]] {
            assert!(decode(damaged).is_err(), "{damaged:?}");
        }
    }
}
