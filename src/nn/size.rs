//! The sizes of images that networks make: a base grid, doubled level by level.

use std::ops::RangeInclusive;

/// Pixels of a side of a base grid.
const SIDES: RangeInclusive<usize> = 3..=8;
/// The shortest side of a base grid that is not given up for one more level.
const ENOUGH: usize = 4;
/// Fewest and most doublings that are looked for.
const LEVELS: RangeInclusive<usize> = 2..=24;

/// The smallest features of a network, and how often they double.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Base {
    /// Height and width of the smallest features, 3 to 8 pixels each.
    pub grid: [usize; 2],
    /// Doublings up to the image, at least two.
    pub levels: usize,
}

/// The base of images `[H, W]`: of all that double to it the one with the most levels whose grid has
/// no side of 3, else the one with the most levels. So powers of two start from 4 x 4.
///
/// `None` for a size that no base doubles to; [`nearest_sizes`] knows some that one does.
#[must_use]
pub fn base(size: [usize; 2]) -> Option<Base> {
    LEVELS
        .map(|levels| Base { grid: size.map(|side| side >> levels), levels })
        .filter(|base| {
            (0..2).all(|i| base.grid[i] << base.levels == size[i] && SIDES.contains(&base.grid[i]))
        })
        .max_by_key(|base| (base.grid.iter().all(|&side| side >= ENOUGH), base.levels))
}

/// The largest size with a base that fits into `[H, W]`, if there is one, and the smallest that covers
/// it.
#[must_use]
pub fn nearest_sizes(size: [usize; 2]) -> (Option<[usize; 2]>, [usize; 2]) {
    let doubled = |grid: [usize; 2], levels: usize| grid.map(|side| side << levels);
    let area = |size: &[usize; 2]| size[0].saturating_mul(size[1]);
    let below = LEVELS.map(|levels| doubled(size.map(|side| (side >> levels).min(*SIDES.end())), levels));
    let above = LEVELS.map(|levels| {
        let grid = size.map(|side| side.div_ceil(1 << levels).max(*SIDES.start()));
        doubled(grid, levels)
    });
    (
        below.filter(|&size| base(size).is_some()).max_by_key(area),
        above.filter(|&size| base(size).is_some()).min_by_key(area).unwrap_or([0; 2]),
    )
}

/// What to say of a size without a base: what is wrong with it, and the nearest ones.
#[must_use]
pub fn advice([h, w]: [usize; 2]) -> String {
    let name = |[h, w]: [usize; 2]| format!("{h} x {w}");
    let nearest = match nearest_sizes([h, w]) {
        (Some(below), above) => format!("the nearest are {} and {}", name(below), name(above)),
        (None, above) => format!("the nearest is {}", name(above)),
    };
    format!(
        "{h} x {w}: networks make sides of {} to {} pixels, both doubled equally often and at least {} times; {nearest}",
        SIDES.start(),
        SIDES.end(),
        LEVELS.start(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_start_from_four() {
        for levels in 2..10 {
            assert_eq!(base([4 << levels; 2]), Some(Base { grid: [4, 4], levels }));
        }
    }

    #[test]
    fn other_sizes_keep_to_grids_of_four_to_seven_where_they_can() {
        for (size, grid, levels) in [
            ([48, 48], [6, 6], 3),
            ([80, 80], [5, 5], 4),
            ([96, 96], [6, 6], 4),
            ([112, 112], [7, 7], 4),
            ([160, 160], [5, 5], 5),
            ([192, 192], [6, 6], 5),
            ([224, 224], [7, 7], 5),
            ([64, 128], [4, 8], 4),
            ([128, 64], [8, 4], 4),
            ([48, 64], [6, 8], 3),
            ([96, 160], [3, 5], 5),
            ([48, 80], [3, 5], 4),
            ([12, 12], [3, 3], 2),
        ] {
            assert_eq!(base(size), Some(Base { grid, levels }), "{size:?}");
        }
    }

    #[test]
    fn sizes_without_a_base_are_told_the_nearest() {
        for (size, below, above) in [
            ([101, 101], Some([96, 96]), [112, 112]),
            ([100, 60], Some([96, 48]), [112, 64]),
            ([8, 8], None, [12, 12]),
            ([1, 500], None, [192, 512]),
            // Sides that fit one by one, but not to each other.
            ([48, 224], Some([48, 128]), [96, 224]),
            ([72, 64], Some([64, 64]), [80, 64]),
        ] {
            assert_eq!(base(size), None, "{size:?}");
            assert_eq!(nearest_sizes(size), (below, above), "{size:?}");
        }
        let message = advice([101, 101]);
        assert!(message.starts_with("101 x 101:") && message.ends_with("96 x 96 and 112 x 112"), "{message}");
    }

    #[test]
    fn what_is_nearest_has_a_base_and_a_size_with_one_is_its_own_nearest() {
        for h in 1..140 {
            for w in [1, 7, 12, 33, 48, 64, 90, 101, 128, 139] {
                let (below, above) = nearest_sizes([h, w]);
                assert!(base(above).is_some() && above[0] >= h && above[1] >= w, "{h} x {w}: {above:?}");
                if let Some(below) = below {
                    assert!(base(below).is_some() && below[0] <= h && below[1] <= w, "{h} x {w}: {below:?}");
                }
                if base([h, w]).is_some() {
                    assert_eq!((below, above), (Some([h, w]), [h, w]));
                }
            }
        }
    }
}
