//! Outlines that relax as those of grains and phases do.
//!
//! A class map whose classes are blurred, and of which every pixel then takes the largest, has moved its
//! outlines by their curvature: threshold dynamics (Merriman, Bence and Osher 1992; of many phases, Esedoglu and
//! Otto 2015). Pieces smaller than the blur vanish and outlines lose their frays, which is what curvature did
//! to grains and phases themselves. Here the largest is a softmax, so that gradients pass.

use crate::op::Border;
use crate::tape::{Tape, Var};

/// Times that [1, 1] / 2 runs over rows and columns in a round: a deviation of 1.22 pixels.
const BOXES: usize = 6;
/// How much sharper edges are than the network draws them.
const FIRST: f64 = 4.0;
/// Logits of a class that fills the whole neighbourhood of a pixel.
const SHARPNESS: f64 = 6.0;

/// Logits `[N, H, W, C]` after so many rounds of blurring the probabilities and taking the largest. At an open
/// edge the pixels that there are share the weight. After each round, or at once if there is none, `keep` may bring
/// back what outlines are not to lose: where it would be brought back at the end alone, a class that is short
/// of it would come up along the outlines of all others.
pub fn relaxed<'t>(
    logits: Var<'t>,
    rounds: usize,
    border: Border,
    keep: impl Fn(Var<'t>) -> Var<'t>,
) -> Var<'t> {
    if rounds == 0 {
        return keep(logits);
    }
    let [_, h, w, classes] = [0, 1, 2, 3].map(|axis| logits.shape()[axis]);
    let filters = filters(logits.tape(), classes);
    let within = match border {
        Border::Open => Some(blurred(logits.tape().fill(1.0, [1, h, w, classes]), &filters, border).recip()),
        Border::Periodic => None,
    };
    (0..rounds).fold(logits.scale(FIRST), |logits, _| {
        let p = blurred(logits.softmax(), &filters, border).scale(SHARPNESS);
        keep(within.map_or(p, |within| p * within))
    })
}

/// Filters one after the other, and how far each begins before a pixel.
type Filters<'t> = [(Var<'t>, [usize; 2]); 2];

fn blurred<'t>(p: Var<'t>, filters: &Filters<'t>, border: Border) -> Var<'t> {
    filters.iter().fold(p, |p, (filter, pad)| p.conv(*filter, [1, 1], *pad, border))
}

/// Filters of classes each by itself, `[1, BOXES + 1, C, C]` and `[BOXES + 1, 1, C, C]`, that make a binomial blur.
fn filters(tape: &Tape, classes: usize) -> Filters<'_> {
    // 1 - (i - j)^2, where that is above zero.
    let m = [1.0, 0.0, 0.0, -1.0, 2.0, -1.0].map(|c| tape.fill(c, [1, 1, 1]));
    let identity = tape.concat(&m, 2).quadratic_field([1, classes, classes, 1]).relu();
    let both =
        (0..BOXES).fold(identity.reshape([1, 1, classes, classes]), |filter, _| filter.spread_taps(false));
    let middle = BOXES / 2;
    // The middle row and column of Pascal's triangle by itself; each sums to its middle times 2^BOXES.
    let largest: f64 = (0..middle).map(|i| (BOXES - i) as f64 / (i + 1) as f64).product();
    let scale = 1.0 / (largest * f64::from(1 << BOXES));
    let line = |start: [usize; 4], dims: [usize; 4]| both.slice(&start, dims).scale(scale);
    [
        (line([middle, 0, 0, 0], [1, BOXES + 1, classes, classes]), [0, middle]),
        (line([0, middle, 0, 0], [BOXES + 1, 1, classes, classes]), [middle, 0]),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Cpu;
    use crate::plan::Plan;
    use crate::store::Store;

    const SIDE: usize = 16;

    /// Class maps of one image `[SIDE, SIDE]` of three classes before and after.
    fn after(map: &[usize], rounds: usize, border: Border) -> Vec<usize> {
        let logits: Vec<f64> =
            map.iter().flat_map(|&class| (0..3).map(move |c| if c == class { 8.0 } else { 0.0 })).collect();
        let mut store = Store::new(Cpu::<f64>::new());
        let logits = store.add_real("logits", [1, SIDE, SIDE, 3], &logits).unwrap();
        let tape = Tape::new();
        let p = relaxed(store.var(&tape, logits), rounds, border, |x| x).softmax();
        let plan = Plan::new(&tape, &[p], &store);
        plan.run(&mut store).unwrap();
        let p = plan.read(&mut store, 0).unwrap();
        p.chunks(3).map(|p| (0..3).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap()).collect()
    }

    fn image(class: impl Fn(f64, f64) -> usize) -> Vec<usize> {
        (0..SIDE * SIDE).map(|i| class((i / SIDE) as f64, (i % SIDE) as f64)).collect()
    }

    #[test]
    fn a_straight_outline_stays_and_a_speck_goes() {
        for border in [Border::Open, Border::Periodic] {
            let halves = image(|row, _| if row < 8.0 { 0 } else { 2 });
            assert_eq!(after(&halves, 2, border), halves);
            let mut specks = halves.clone();
            for at in [3 * SIDE + 4, 3 * SIDE + 5, 12 * SIDE + 9, 0] {
                specks[at] = 1;
            }
            assert_eq!(after(&specks, 2, border), halves);
        }
    }

    #[test]
    fn a_disc_shrinks_by_its_curvature() {
        let disc = image(|row, column| usize::from((row - 7.5).hypot(column - 7.5) < 5.5));
        let area = |map: &[usize]| map.iter().filter(|&&c| c == 1).count();
        let areas: Vec<usize> = (0..=3).map(|rounds| area(&after(&disc, rounds, Border::Open))).collect();
        // By 2 pi times half a round's variance, 1.5 pixels squared, whatever the radius; a lattice may hold it.
        assert!(areas.windows(2).all(|a| a[1] <= a[0] && a[0] - a[1] <= 12), "{areas:?}");
        assert!(areas[3] < areas[0], "{areas:?}");
    }

    #[test]
    fn a_periodic_image_relaxes_alike_everywhere() {
        let frayed =
            image(|row, column| usize::from((column + 2.0 * (row * 2.1).sin()).rem_euclid(16.0) < 7.0));
        let rolled = |map: &[usize]| {
            (0..SIDE * SIDE)
                .map(|i| {
                    map[(i + 5 * SIDE + 11 - if i % SIDE + 11 >= SIDE { SIDE } else { 0 }) % (SIDE * SIDE)]
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(
            after(&rolled(&frayed), 2, Border::Periodic),
            rolled(&after(&frayed, 2, Border::Periodic))
        );
    }
}
