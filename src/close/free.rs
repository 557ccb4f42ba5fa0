//! Images with given properties and no generator: from noise, on free logits.
//!
//! What texture optimisation and the exchange of pixels do (C. L. Y. Yeong and S. Torquato, Reconstructing
//! random media, Physical Review E 57 (1998); P. Seibert et al., MCRpy, Integrating Materials and
//! Manufacturing Innovation 11 (2022)), with the properties and the gradients of the tape: smooth noise of
//! whichever grain comes nearest, cut so that each class has its share, is moved along the gradient, then
//! pixels are flipped.

use rayon::prelude::*;

use super::closing::{Closed, Effort};
use super::descend::{Descent, Pace};
use super::goal::{Goal, Miss};
use super::pixels::Pixels;
use crate::device::Kind;
use crate::error::Result;
use crate::invariance::measure_all;
use crate::op::LeafId;
use crate::plan::Plan;
use crate::rng;
use crate::store::Store;
use crate::tape::Tape;
use crate::train::Task;
use crate::train::dataset::Measurer;

/// Widths of the windows that noise is averaged over, thrice: the grain of the images to begin with.
const WINDOWS: [usize; 9] = [1, 2, 3, 4, 6, 8, 11, 16, 23];
/// Largest logit to begin with, about.
const CONTRAST: f64 = 2.0;
/// Most steps along the gradient, and the error over its tolerance from which pixels go on.
const STEPS: u32 = 100;
const NEAR: f64 = 4.0;
/// Most pixels that are flipped, of all.
const FLIPPED: f64 = 0.1;
/// Rounds in which the classes are brought to their shares.
const ROUNDS: usize = 40;

/// What images are to have.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The properties and the images.
    pub task: &'a Task,
    /// The numbers, `[P]`, in a person's units.
    pub asked: &'a [f32],
    /// Their tolerances, `[P]`.
    pub tolerances: &'a [f64],
    /// The share of each class to begin with.
    pub shares: &'a [f64],
}

/// `count` images from noise; image i depends on the seed and on i alone. `told` hears of every one that is
/// done.
///
/// # Errors
/// If the device fails.
pub fn from_noise(
    wanted: Wanted,
    count: usize,
    seed: u64,
    kind: Kind,
    told: &mut dyn FnMut(),
) -> Result<Closed> {
    let Wanted { task, asked, tolerances, .. } = wanted;
    let goal = Goal::new(asked, tolerances.to_vec(), task);
    let mut loose = Loose::new(task, kind)?;
    let mut all = Closed::default();
    for i in 0..count {
        let start = loose.start(&wanted, &goal, seed, i)?;
        let (mut map, probabilities, logits, effort) = loose.descend(start, &goal)?;
        let mut flips = 0;
        let mut measured = loose.measurer.measure(&map)?;
        let mut miss = goal.miss(&measured, task);
        let most = (FLIPPED * map.len() as f64) as usize;
        let (target, reach) = (&goal.target, &goal.reach);
        if let (false, Some(mut pixels)) = (
            miss.within(),
            Pixels::new(task.properties(), task.images(), &map, &probabilities, target, reach),
        ) {
            let made = pixels.settle(most, &|| false);
            let moved = pixels.into_map();
            let found = loose.measurer.measure(&moved)?;
            let after = goal.miss(&found, task);
            if after.less(miss) {
                (map, measured, miss, flips) = (moved, found, after, made as u32);
            }
        }
        all.maps.extend(map);
        all.probabilities.extend(probabilities);
        all.z.extend(logits.iter().map(|&v| v as f32));
        all.measured.extend(measured);
        all.tolerances.extend(tolerances.iter().map(|&t| t as f32));
        all.within.push(miss.within());
        all.effort.push(Effort { flips, tries: 1, ..effort });
        told();
    }
    Ok(all)
}

/// The nearest class map `[H, W]` of a descent, its probabilities and its logits `[H, W, C]`, and what it took.
type Reached = (Vec<u8>, Vec<f32>, Vec<f64>, Effort);

/// Free logits of one image, and the gradient of their distance from a target.
struct Loose<'a> {
    task: &'a Task,
    store: Store,
    logits: LeafId,
    aim: LeafId,
    weight: LeafId,
    plan: Plan,
    measurer: Measurer,
}

impl<'a> Loose<'a> {
    fn new(task: &'a Task, kind: Kind) -> Result<Self> {
        let ([h, w], classes, numbers) = (task.images().size, task.images().classes, task.columns().len());
        let mut store = Store::on(kind.open(crate::device::gpu::Precision::Fp32)?);
        let logits = store.add_zeros("logits", [1, h, w, classes])?;
        let aim = store.add_zeros("target", [1, numbers])?;
        let weight = store.add_zeros("weight", [1, numbers])?;
        let tape = Tape::new();
        let [x, target, by] = [logits, aim, weight].map(|leaf| store.var(&tape, leaf));
        let image = x.softmax();
        let soft = measure_all(task.properties(), image);
        let slope = tape.grad(((soft - target) * by).square().sum(), &[x])[0];
        let plan = Plan::new(&tape, &[image, image.argmax(), soft, slope], &store);
        let measurer = Measurer::new(task.properties(), task.images(), WINDOWS.len())?;
        Ok(Self { task, store, logits, aim, weight, plan, measurer })
    }

    /// Logits of smooth noise: of all grains those whose class map is nearest.
    fn start(&mut self, wanted: &Wanted, goal: &Goal, seed: u64, index: usize) -> Result<Vec<f64>> {
        let ([h, w], classes) = (self.task.images().size, self.task.images().classes);
        let noise = rng::normals(&rng::state(seed), index as u32, classes * h * w);
        let starts: Vec<Vec<f64>> = WINDOWS
            .par_iter()
            .filter(|&&window| window <= h.min(w) / 2 || window == 1)
            .map(|&window| {
                let fields: Vec<Vec<f64>> =
                    noise.chunks_exact(h * w).map(|field| smooth(field, [h, w], window)).collect();
                shared(&fields, wanted.shares)
            })
            .collect();
        let maps: Vec<u8> = starts.iter().flat_map(|logits| argmax(logits, classes)).collect();
        let measured = self.measurer.measure(&maps)?;
        let miss = |i: usize| goal.miss(&measured[i * goal.asked.len()..][..goal.asked.len()], self.task).sum;
        let best = (0..starts.len()).min_by(|&a, &b| miss(a).total_cmp(&miss(b))).unwrap_or(0);
        Ok(starts.into_iter().nth(best).unwrap_or_default())
    }

    /// Steps along the gradient.
    fn descend(&mut self, start: Vec<f64>, goal: &Goal) -> Result<Reached> {
        let mut descent = Descent::new([start, Vec::new()], Pace::FREE, &goal.target, &goal.reach);
        self.store.write(self.weight, &descent.weight)?;
        let mut kept = (Vec::new(), Vec::new(), Vec::new(), Effort::default());
        let mut nearest = Miss::NOTHING;
        for step in 1..=STEPS {
            self.store.write(self.logits, &descent.point[0])?;
            self.store.write(self.aim, &descent.aim)?;
            self.plan.run(&mut self.store)?;
            let map = self.plan.read_bytes(&mut self.store, 1)?;
            let measured = self.measurer.measure(&map)?;
            let miss = goal.miss(&measured, self.task);
            if step == 1 || miss.less(nearest) {
                nearest = miss;
                let probabilities = self.plan.read_single(&mut self.store, 0)?;
                kept = (map, probabilities, descent.point[0].clone(), kept.3);
            }
            kept.3.steps = step;
            if nearest.within() || nearest.worst <= NEAR {
                break;
            }
            let (soft, slope) = (self.plan.read(&mut self.store, 2)?, self.plan.read(&mut self.store, 3)?);
            descent.step(&soft, &self.task.normalised(&measured), [&slope, &[]]);
        }
        Ok(kept)
    }
}

/// A field `[H, W]` averaged thrice over windows of that width, around as on a torus, with unit variance.
fn smooth(field: &[f32], [h, w]: [usize; 2], window: usize) -> Vec<f64> {
    let mut field: Vec<f64> = field.iter().map(|&v| f64::from(v)).collect();
    for _ in 0..if window > 1 { 3 } else { 0 } {
        for [h, w] in [[h, w], [w, h]] {
            let mut turned = vec![0.0; h * w];
            for (y, row) in field.chunks_exact(w).enumerate() {
                let mut sum: f64 = (0..window).map(|k| row[k % w]).sum();
                for x in 0..w {
                    turned[x * h + y] = sum;
                    sum += row[(x + window) % w] - row[x];
                }
            }
            field = turned;
        }
    }
    let scale = (field.iter().map(|v| v * v).sum::<f64>() / field.len() as f64).sqrt().max(1e-12);
    field.iter_mut().for_each(|v| *v /= scale);
    field
}

/// Logits `[H, W, C]` of a field for each class, with what brings each class to its share of the pixels.
fn shared(fields: &[Vec<f64>], shares: &[f64]) -> Vec<f64> {
    let (classes, pixels) = (fields.len(), fields[0].len());
    let mut lift = vec![0.0; classes];
    for round in 0..ROUNDS {
        let mut counts = vec![0.0; classes];
        for at in 0..pixels {
            let of = |c: usize| fields[c][at] + lift[c];
            let best = (1..classes).fold(0, |best, c| if of(c) > of(best) { c } else { best });
            counts[best] += 1.0 / pixels as f64;
        }
        // Shorter and shorter, so that it comes to rest.
        let rate = 2.0 / (1.0 + 0.1 * round as f64);
        lift.iter_mut().zip(shares).zip(&counts).for_each(|((l, share), count)| *l += rate * (share - count));
    }
    (0..pixels)
        .flat_map(|at| (0..classes).map(move |c| (c, at)))
        .map(|(c, at)| CONTRAST * (fields[c][at] + lift[c]))
        .collect()
}

fn argmax(logits: &[f64], classes: usize) -> Vec<u8> {
    let best = |v: &[f64]| (1..classes).fold(0, |best, c| if v[c] > v[best] { c } else { best }) as u8;
    logits.chunks_exact(classes).map(best).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::close::Tolerances;
    use crate::invariance::{Ask, Images};
    use crate::op::Border;

    #[test]
    fn noise_gets_near_the_correlation_of_an_image() {
        let mut ask = Ask::new("correlation").unwrap();
        ask.options_mut().set("bins", toml::Value::Integer(9)).unwrap();
        for border in [Border::Periodic, Border::Open] {
            let images = Images { size: [32, 32], classes: 2, border };
            let task = Task::asked(&[ask.clone()], images, "test").unwrap();
            // Stripes that waver: nothing that smooth noise has.
            let map: Vec<u8> = (0..1024)
                .map(|i: i32| (f64::from(i % 32) + 2.0 * (f64::from(i / 32) / 5.0).sin()) / 4.0)
                .map(|v| u8::from(v.rem_euclid(2.0) < 0.8))
                .collect();
            let asked = Measurer::new(task.properties(), &images, 1).unwrap().measure(&map).unwrap();
            let share = f64::from(asked[0]);
            let tolerances = Tolerances::usual(&task).of(&asked, &task);
            let shares = [1.0 - share, share];
            let wanted = Wanted { task: &task, asked: &asked, tolerances: &tolerances, shares: &shares };
            let made = from_noise(wanted, 2, 1, Kind::Cpu, &mut || ()).unwrap();
            // Without order beyond one pixel the curve would be flat there: .06 off at the worst bin.
            for found in made.measured.chunks(asked.len()) {
                let worst = found.iter().zip(&asked).map(|(f, a)| (f - a).abs()).fold(0.0, f32::max);
                assert!(worst < 0.02, "{border:?}: {found:?}, asked {asked:?}");
            }
            assert_ne!(made.maps[..1024], made.maps[1024..]);
            let again = from_noise(wanted, 1, 1, Kind::Cpu, &mut || ()).unwrap();
            assert_eq!(again.maps, made.maps[..1024]);
        }
    }
}
