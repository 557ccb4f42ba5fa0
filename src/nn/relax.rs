//! Outlines that relax as those of grains and phases do.
//!
//! A class map whose classes are blurred, and of which every pixel then takes the largest, has moved its
//! outlines: threshold dynamics (Merriman, Bence and Osher 1992; of many phases, Esedoglu and Otto 2015). By an
//! ordinary blur they move by their curvature, and whatever is small shrinks. A kernel whose second and fourth moments
//! are zero leaves more of curvature itself alone and lowers how it varies: outlines bend less for what they lose of
//! their length (S. Esedoglu, S. J. Ruuth and R. Tsai, Threshold dynamics for high order geometric motions, Interfaces
//! and Free Boundaries 10 (2008), 263-282). Frays go, and pieces far smaller than the kernel. Here the largest is a
//! softmax, so that gradients pass.

use crate::op::Border;
use crate::tape::{Tape, Var};

/// How often a mean is taken away from what the last one left: 1 - (1 - g)^ORDER of a mean g leaves alone what
/// polynomials of a degree below 2 ORDER say.
const ORDER: usize = 3;
/// How much sharper edges are than the network draws them.
const FIRST: f64 = 4.0;
/// Logits of a class that fills the whole neighbourhood of a pixel.
const SHARPNESS: f64 = 6.0;

/// How outlines of samples relax.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relax {
    /// How often.
    pub rounds: usize,
    /// Pixels at which the weights of a mean have fallen to zero; a side of the image if that is less.
    pub width: usize,
}

impl Relax {
    /// Logits `[N, H, W, C]` after all rounds of blurring the probabilities and taking the largest. At an open
    /// edge the pixels that there are share the weight. After each round, or at once if there is none, `keep` may bring
    /// back what outlines are not to lose: where it would be brought back at the end alone, a class that is short
    /// of it would come up along the outlines of all others.
    pub fn apply<'t>(self, logits: Var<'t>, border: Border, keep: impl Fn(Var<'t>) -> Var<'t>) -> Var<'t> {
        if self.rounds == 0 {
            return keep(logits);
        }
        let [_, h, w, classes] = [0, 1, 2, 3].map(|axis| logits.shape()[axis]);
        let tents = tents(logits.tape(), [h, w].map(|side| self.width.min(side)), classes);
        let sums = |p: Var<'t>| tents.iter().fold(p, |p, (tent, pad)| p.conv(*tent, [1, 1], *pad, border));
        let within = match border {
            Border::Open => Some(sums(logits.tape().fill(1.0, [1, h, w, classes])).recip()),
            Border::Periodic => None,
        };
        let means = |p| within.map_or_else(|| sums(p), |within| sums(p) * within);
        (0..self.rounds).fold(logits.scale(FIRST), |logits, _| {
            let p = logits.softmax();
            let fine = (0..ORDER).fold(p, |fine, _| fine - means(fine));
            keep((p - fine).scale(SHARPNESS))
        })
    }
}

/// Filters of classes each by itself, `[2 WH - 1, 1, C, C]` over rows and `[1, 2 WW - 1, C, C]` over columns, whose
/// weights fall from the middle to zero at widths `[WH, WW]`; and how far each begins before a pixel.
fn tents(tape: &Tape, widths: [usize; 2], classes: usize) -> [(Var<'_>, [usize; 2]); 2] {
    let field = |coefficients: [f64; 6], shape: [usize; 4]| {
        tape.concat(&coefficients.map(|c| tape.fill(c, [1, 1, 1])), 2).quadratic_field(shape)
    };
    // 1 - (i - j)^2, where that is above zero.
    let identity = field([1.0, 0.0, 0.0, -1.0, 2.0, -1.0], [1, classes, classes, 1]).relu();
    [0, 1].map(|axis| {
        let (taps, width) = (2 * widths[axis] - 1, widths[axis] as f64);
        let distance = field([0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [1, 1, taps, 1]).sqrt();
        let tent = distance.scale(-1.0 / (width * width)).shift(1.0 / width);
        let (mut kernel, mut pad) = ([1; 4], [0; 2]);
        (kernel[axis], pad[axis]) = (taps, widths[axis] - 1);
        (tent.reshape(kernel) * identity.reshape([1, 1, classes, classes]), pad)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Cpu;
    use crate::plan::Plan;
    use crate::store::Store;

    const SIDE: usize = 24;

    /// Logits of one image `[SIDE, SIDE]` of three classes after it has relaxed.
    fn logits(map: &[usize], relax: Relax, border: Border) -> Vec<f64> {
        let drawn: Vec<f64> =
            map.iter().flat_map(|&class| (0..3).map(move |c| if c == class { 8.0 } else { 0.0 })).collect();
        let mut store = Store::new(Cpu::<f64>::new());
        let drawn = store.add_real("logits", [1, SIDE, SIDE, 3], &drawn).unwrap();
        let tape = Tape::new();
        let plan = Plan::new(&tape, &[relax.apply(store.var(&tape, drawn), border, |x| x)], &store);
        plan.run(&mut store).unwrap();
        plan.read(&mut store, 0).unwrap()
    }

    /// Its class map after some rounds.
    fn after(map: &[usize], rounds: usize, border: Border) -> Vec<usize> {
        let logits = logits(map, Relax { rounds, width: 5 }, border);
        logits.chunks(3).map(|l| (0..3).max_by(|&a, &b| l[a].total_cmp(&l[b])).unwrap()).collect()
    }

    fn image(class: impl Fn(f64, f64) -> usize) -> Vec<usize> {
        (0..SIDE * SIDE).map(|i| class((i / SIDE) as f64, (i % SIDE) as f64)).collect()
    }

    #[test]
    fn a_straight_outline_stays_and_a_speck_goes() {
        for border in [Border::Open, Border::Periodic] {
            let halves = image(|row, _| if row < 12.0 { 0 } else { 2 });
            assert_eq!(after(&halves, 2, border), halves);
            let mut specks = halves.clone();
            for at in [4 * SIDE + 5, 4 * SIDE + 6, 18 * SIDE + 9, 0] {
                specks[at] = 1;
            }
            assert_eq!(after(&specks, 2, border), halves);
        }
    }

    #[test]
    fn a_disc_shrinks_by_less_than_its_curvature_and_a_square_loses_its_corners() {
        // By its curvature a round takes pi pixels for each of a kernel's variance along an axis, that of a tent
        // 5 wide: 3 pi 4 pixels in three rounds.
        let by_curvature = 37;
        let apart = |row: f64, column: f64| [row - 11.5, column - 11.5];
        let disc = image(|row, column| usize::from(apart(row, column)[0].hypot(apart(row, column)[1]) < 7.3));
        let square = image(|row, column| usize::from(apart(row, column).iter().all(|d| d.abs() < 7.0)));
        let area = |map: &[usize]| map.iter().filter(|&&c| c == 1).count();
        for border in [Border::Open, Border::Periodic] {
            let relaxed = after(&disc, 3, border);
            let lost = area(&disc).abs_diff(area(&relaxed));
            assert!(2 * lost < by_curvature, "{border:?}: {lost} of {}", area(&disc));
            let relaxed = after(&square, 3, border);
            let corner = |row: usize, column: usize| relaxed[row * SIDE + column];
            assert_eq!([corner(5, 5), corner(5, 18), corner(18, 5), corner(18, 18)], [0; 4]);
            assert_eq!([corner(5, 11), corner(11, 5), corner(12, 18), corner(18, 12)], [1; 4]);
        }
    }

    #[test]
    fn a_periodic_image_relaxes_alike_everywhere() {
        let frayed =
            image(|row, column| usize::from((column + 2.0 * (row * 2.1).sin()).rem_euclid(24.0) < 11.0));
        let rolled = |map: &[usize]| {
            (0..SIDE * SIDE)
                .map(|i| map[(i / SIDE + 5) % SIDE * SIDE + (i % SIDE + 11) % SIDE])
                .collect::<Vec<_>>()
        };
        assert_eq!(
            after(&rolled(&frayed), 2, Border::Periodic),
            rolled(&after(&frayed, 2, Border::Periodic))
        );
    }

    #[test]
    fn a_mean_of_a_wide_kernel_ends_with_the_image() {
        let stripes = image(|row, _| if row % 12.0 < 6.0 { 0 } else { 2 });
        let [whole, wider] =
            [SIDE, 10 * SIDE].map(|width| logits(&stripes, Relax { rounds: 1, width }, Border::Periodic));
        assert_eq!(whole, wider);
    }
}
