//! How much interfaces bend, by what lies within discs around each place of them.
//!
//! Of a disc of radius r whose centre is d beyond a smooth interface of curvature k, the side behind it, if it bends
//! towards that side, has the share 1/2 - k r / (3 pi) - 2 d / (pi r), up to higher orders: S. Manay et al., Integral
//! invariants for shape matching, IEEE Trans. Pattern Analysis and Machine Intelligence 28 (2006), 1602-1618. Pixels lie
//! up to half a pixel off, which for one disc would look like a curvature of 1/14; with two, r times the share differs
//! by k alone. A length or a number of pieces does not see whether outlines are round or have corners; this does.

use std::f64::consts::PI;

/// Radii of the discs, in pixels: pixels are smaller, features larger.
const RADII: [isize; 2] = [2, 5];

/// Root of the mean square of the curvature of the interfaces of a class map, in 1/px; 0 where there is none. Each pair
/// of pixels beside each other in a row or a column whose classes differ is a place of an interface. Of a map that is
/// not periodic only places count whose discs lie within it.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn curvature(map: &[u8], h: usize, w: usize, periodic: bool) -> f64 {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let discs = RADII.map(disc);
    // Those of circles of as many pixels.
    let radii = discs.each_ref().map(|disc| (disc.len() as f64 / PI).sqrt());
    let [rows, columns] = [h as isize, w as isize];
    let at = |y: isize, x: isize| map[(y.rem_euclid(rows) * columns + x.rem_euclid(columns)) as usize];
    let reach = RADII[1];
    let within = |y: isize, x: isize| {
        periodic || (reach..rows - reach).contains(&y) && (reach..columns - reach).contains(&x)
    };
    let (mut sum, mut places) = (0.0, 0_u32);
    for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
        for (other_y, other_x) in [(y, x + 1), (y + 1, x)] {
            let [one, other] = [at(y, x), at(other_y, other_x)];
            if one == other || !within(y, x) || !within(other_y, other_x) {
                continue;
            }
            // Half a pixel to either side of the place: by how much the other class has more than half.
            let share = |disc: &[[isize; 2]]| {
                let count = |[dy, dx]: &[isize; 2]| -> i32 {
                    [at(y + dy, x + dx), at(other_y + dy, other_x + dx)]
                        .map(|class| i32::from(class == other) - i32::from(class == one))
                        .iter()
                        .sum()
                };
                f64::from(disc.iter().map(count).sum::<i32>()) / (4 * disc.len()) as f64
            };
            let [small, large] = discs.each_ref().map(|disc| share(disc));
            let bent =
                3.0 * PI * (radii[1] * large - radii[0] * small) / (radii[1].powi(2) - radii[0].powi(2));
            sum += bent.powi(2);
            places += 1;
        }
    }
    if places == 0 { 0.0 } else { (sum / f64::from(places)).sqrt() }
}

/// Steps from the centre of a disc to its pixels.
fn disc(radius: isize) -> Vec<[isize; 2]> {
    let square = (-radius..=radius).flat_map(|y| (-radius..=radius).map(move |x| [y, x]));
    square.filter(|[y, x]| y * y + x * x <= radius * radius).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(side: usize, inside: impl Fn(f64, f64) -> bool) -> Vec<u8> {
        let at = |i: usize| u8::from(inside((i / side) as f64, (i % side) as f64));
        (0..side * side).map(at).collect()
    }

    #[test]
    fn straight_interfaces_have_none_and_discs_one_over_their_radius() {
        assert_eq!(curvature(&map(32, |y, _| y < 16.0), 32, 32, true), 0.0);
        assert_eq!(curvature(&map(32, |_, _| true), 32, 32, true), 0.0);
        // Slopes have steps, which are as good as nothing.
        for (rise, run) in [(1.0, 1.0), (1.0, 2.0), (1.0, 4.0), (3.0, 4.0)] {
            let bands = map(64, |y, x| (run * y + rise * x).rem_euclid(64.0 * rise) < 32.0 * rise);
            assert!(curvature(&bands, 64, 64, false) < 0.02, "{rise} / {run}");
        }
        for radius in [6.0, 9.0, 14.0, 20.0] {
            let disc = map(64, |y, x| (y - 31.3).hypot(x - 31.7) <= radius);
            let found = curvature(&disc, 64, 64, true) * radius;
            assert!((found - 1.0).abs() < 0.15, "{radius}: {found}");
            assert_eq!(curvature(&disc, 64, 64, true), curvature(&disc, 64, 64, false));
        }
    }

    #[test]
    fn corners_and_teeth_bend_more_than_what_is_as_large_and_round() {
        let disc = map(64, |y, x| (y - 31.5).hypot(x - 31.5) <= 11.3);
        let square = map(64, |y, x| (y - 31.5).abs() < 10.0 && (x - 31.5).abs() < 10.0);
        let teeth = map(64, |y, x| (y - 31.5).hypot(x - 31.5) <= 11.3 + 2.0 * ((y + x) / 2.0).sin());
        let [round, cornered, rough] = [disc, square, teeth].map(|m| curvature(&m, 64, 64, true));
        assert!(cornered > 1.2 * round && rough > 1.5 * round, "{round}, {cornered}, {rough}");
    }

    #[test]
    fn a_border_is_no_interface_and_what_is_beside_it_is_left_out() {
        let stripe = map(32, |y, _| y < 2.0);
        assert_eq!(curvature(&stripe, 32, 32, false), 0.0);
        // Round the edges it is two pixels wide, and seen as bent on both sides.
        assert!(curvature(&stripe, 32, 32, true) > 0.0);
    }
}
