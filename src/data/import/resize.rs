//! Class maps of another size.
//!
//! Both maps cover the same area, so the new pixel i of `to` covers the old coordinates
//! [i from / to, (i + 1) from / to). All arithmetic is in whole numbers of 1/to of an old pixel, so
//! that shares are exact.

/// Resizes by area: each class's indicator is averaged over a new pixel and the largest share wins.
/// For two classes that is the average cut at one half.
///
/// Of equal shares the class at the centre wins if it is among them (else the lowest), as
/// [`nearest`] has it. Always the lowest would shift every fraction towards class 0: at a factor of
/// two, ties are common along interfaces.
pub(super) fn area(map: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let (rows, columns) = (spans(from[0], to[0]), spans(from[1], to[1]));
    let mut shares = [0u64; 256];
    let mut out = Vec::with_capacity(to[0] * to[1]);
    for (i, row) in rows.iter().enumerate() {
        for (j, column) in columns.iter().enumerate() {
            shares.fill(0);
            for &(y, height) in row {
                for &(x, width) in column {
                    shares[map[y * from[1] + x] as usize] += height * width;
                }
            }
            let largest = shares.iter().max().copied().unwrap_or(0);
            let central = map[middle(i, from[0], to[0]) * from[1] + middle(j, from[1], to[1])];
            let lowest = shares.iter().position(|&s| s == largest).unwrap_or(0) as u8;
            out.push(if shares[central as usize] == largest { central } else { lowest });
        }
    }
    out
}

/// Resizes by taking the old pixel at each new pixel's centre.
pub(super) fn nearest(map: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let columns: Vec<usize> = (0..to[1]).map(|j| middle(j, from[1], to[1])).collect();
    (0..to[0])
        .flat_map(|i| {
            let row = &map[middle(i, from[0], to[0]) * from[1]..];
            columns.iter().map(|&x| row[x])
        })
        .collect()
}

/// The old pixel at the centre of the new pixel `i`; on a boundary the one before it.
fn middle(i: usize, from: usize, to: usize) -> usize {
    ((2 * i + 1) * from - 1) / (2 * to)
}

/// For each new pixel the old pixels it covers, each with the length covered in 1/`to`.
fn spans(from: usize, to: usize) -> Vec<Vec<(usize, u64)>> {
    (0..to)
        .map(|i| {
            let (low, high) = (i * from, (i + 1) * from);
            (low / to..=(high - 1) / to)
                .map(|y| (y, (high.min((y + 1) * to) - low.max(y * to)) as u64))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_areas() {
        // 3 -> 2: a new pixel covers one old pixel and half of the next.
        assert_eq!(spans(3, 2), [vec![(0, 2), (1, 1)], vec![(1, 1), (2, 2)]]);
        // 0.25 of class 2, 0.5 of class 1, 0.25 of class 0 in one pixel.
        assert_eq!(area(&[2, 1, 1, 0], [2, 2], [1, 1]), [1]);
        // Enlarging repeats pixels.
        assert_eq!(area(&[0, 1], [1, 2], [2, 4]), [0, 0, 1, 1, 0, 0, 1, 1]);
        assert_eq!(nearest(&[0, 1], [1, 2], [2, 4]), [0, 0, 1, 1, 0, 0, 1, 1]);
    }

    #[test]
    fn a_tie_favours_no_class() {
        // Exchanging the classes of a map must exchange those of the resized one. Blocks of 2 x 2
        // pixels of a pattern without symmetry tie often.
        let map: Vec<u8> = (0..24 * 24).map(|i: usize| (i * i / 7 % 5 % 2) as u8).collect();
        let exchanged: Vec<u8> = map.iter().map(|c| 1 - c).collect();
        let (a, b) = (area(&map, [24, 24], [12, 12]), area(&exchanged, [24, 24], [12, 12]));
        assert!(a.iter().zip(&b).all(|(a, b)| a + b == 1));
    }
}
