//! Images with given properties and no generator: from noise.
//!
//! What texture optimisation and the exchange of pixels do (C. L. Y. Yeong and S. Torquato, Reconstructing
//! random media, Physical Review E 57 (1998); P. Seibert et al., MCRpy, Integrating Materials and
//! Manufacturing Innovation 11 (2022)), with the properties and the gradients of the tape. Where correlations
//! are asked for, noise is filtered so that its class map has them, and again by what was missing
//! (`fields.rs`); else it is smooth noise of whichever grain comes nearest. It is cut so that each class has
//! its share. What single pixels cannot mend is moved along the gradient, on free logits; then pixels are
//! flipped.

use std::ops::Range;

use rayon::prelude::*;

use super::descend::{Descent, Pace};
use super::fields::{Level, Noise, argmax, shared};
use super::goal::{Goal, Miss, follow};
use super::pixels::{FLIPPED, Pixels};
use super::set::{Closed, Effort};
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
/// Most steps along the gradient.
const STEPS: u32 = 100;
/// Passes of noise that is filtered by what it missed.
const PASSES: u32 = 12;
/// Images on their way at a time.
const TOGETHER: usize = 16;

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
    let goal = Goal::new(asked, tolerances.to_vec(), &follow(task), task);
    let mut loose = Loose::new(task, kind)?;
    let mut all = Closed::default();
    let most = (FLIPPED * task.images().pixels() as f64) as usize;
    for first in (0..count).step_by(TOGETHER) {
        let mut made = Vec::new();
        for i in first..count.min(first + TOGETHER) {
            let start = loose.start(&wanted, &goal, seed, i)?;
            made.push(loose.descend(start, &goal)?);
        }
        let flipped: Vec<Option<(Vec<u8>, usize)>> = made
            .par_iter()
            .map(|Reached { map, probabilities, miss, .. }| {
                if miss.within() {
                    return None;
                }
                let (properties, images) = (task.properties(), task.images());
                let mut pixels =
                    Pixels::new(properties, images, map, probabilities, &goal.target, &goal.reach)?;
                let flips = pixels.settle(most, &|| false);
                Some((pixels.into_map(), flips))
            })
            .collect();
        for (mut reached, flipped) in made.into_iter().zip(flipped) {
            if let Some((map, flips)) = flipped {
                let measured = loose.measurer.measure(&map)?;
                let miss = goal.miss(&measured, task);
                if miss.less(reached.miss) {
                    reached = Reached { map, measured, miss, ..reached };
                    reached.effort.flips = flips as u32;
                }
            }
            all.maps.extend(reached.map);
            all.probabilities.extend(reached.probabilities);
            all.z.extend(reached.logits.iter().map(|&v| v as f32));
            all.measured.extend(reached.measured);
            all.tolerances.extend(tolerances.iter().map(|&t| t as f32));
            all.within.push(reached.miss.within());
            all.effort.push(reached.effort);
            told();
        }
    }
    Ok(all)
}

/// The nearest that an image came.
struct Reached {
    /// `[H, W]`.
    map: Vec<u8>,
    /// `[H, W, C]`.
    probabilities: Vec<f32>,
    /// `[H, W, C]`.
    logits: Vec<f64>,
    measured: Vec<f32>,
    miss: Miss,
    effort: Effort,
}

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
        let measurer = Measurer::new(task.properties(), task.images(), 1)?;
        Ok(Self { task, store, logits, aim, weight, plan, measurer })
    }

    /// Logits `[H, W, C]` of noise: filtered where correlations are asked for, else of the nearest grain.
    fn start(&mut self, wanted: &Wanted, goal: &Goal, seed: u64, index: usize) -> Result<(Vec<f64>, u32)> {
        let task = self.task;
        let curves = task.placed().filter_map(|(property, first)| {
            let numbers = first..first + property.columns().len();
            let held = goal.reach[numbers.clone()].iter().all(|r| r.is_finite());
            Some((property.invariance().two_point().filter(|_| held)?, numbers))
        });
        let curves: Vec<(usize, Range<usize>)> = curves.collect();
        if curves.is_empty() {
            return Ok((self.grain(wanted, goal, seed, index)?, 0));
        }
        self.filtered(wanted, goal, &curves, seed, index)
    }

    /// Logits of noise that is filtered until the class map is nearest to the curves asked for, each of a
    /// class; and how often that was tried.
    fn filtered(
        &mut self,
        wanted: &Wanted,
        goal: &Goal,
        curves: &[(usize, Range<usize>)],
        seed: u64,
        index: usize,
    ) -> Result<(Vec<f64>, u32)> {
        let task = self.task;
        let classes = task.images().classes;
        let bins = curves.iter().map(|(_, numbers)| numbers.len()).max().unwrap_or(1);
        let noise = Noise::new(task.images(), bins, seed, index);
        let levels: Vec<Level> = wanted.shares.iter().map(|&share| Level::of(share)).collect();
        let mut asked = goal.target.clone();
        let mut best = (Vec::new(), Miss::NOTHING);
        let mut passes = 0;
        while passes < PASSES && !best.1.within() {
            // A class without a curve of its own has another's.
            let of_class = |class: usize| curves.iter().find(|(of, _)| *of == class).unwrap_or(&curves[0]);
            let of_fields: Vec<Vec<f64>> = (0..classes)
                .map(|class| {
                    let (of, numbers) = of_class(class);
                    let of_field = |&s2: &f64| levels[*of].of_field(s2);
                    let rest = asked[numbers.clone()].iter().skip(1).map(of_field);
                    std::iter::once(1.0).chain(rest).collect()
                })
                .collect();
            let logits = shared(&noise.fields(&of_fields), wanted.shares);
            let measured = self.measurer.measure(&argmax(&logits, classes))?;
            passes += 1;
            let miss = goal.miss(&measured, task);
            let missing = task.normalised(&measured);
            for ((asked, target), measured) in asked.iter_mut().zip(&goal.target).zip(missing) {
                *asked += target - measured;
            }
            if best.0.is_empty() || miss.less(best.1) {
                best = (logits, miss);
            }
        }
        Ok((best.0, passes))
    }

    /// Logits of smooth noise: of all grains those whose class map is nearest.
    fn grain(&mut self, wanted: &Wanted, goal: &Goal, seed: u64, index: usize) -> Result<Vec<f64>> {
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

    /// Steps along the gradient, as long as single pixels cannot mend what is missing.
    fn descend(&mut self, (start, passes): (Vec<f64>, u32), goal: &Goal) -> Result<Reached> {
        let mut descent = Descent::new([start, Vec::new()], Pace::FREE, &goal.target, &goal.reach);
        self.store.write(self.weight, &descent.weight)?;
        let mut best: Option<Reached> = None;
        loop {
            self.store.write(self.logits, &descent.point[0])?;
            self.store.write(self.aim, &descent.aim)?;
            self.plan.run(&mut self.store)?;
            let map = self.plan.read_bytes(&mut self.store, 1)?;
            let measured = self.measurer.measure(&map)?;
            let miss = goal.miss(&measured, self.task);
            let normalised = self.task.normalised(&measured);
            let effort = Effort { passes, steps: descent.steps, tries: 1, ..Effort::default() };
            let mut reached = match best.take() {
                Some(best) if !miss.less(best.miss) => best,
                _ => {
                    let probabilities = self.plan.read_single(&mut self.store, 0)?;
                    Reached { map, probabilities, logits: descent.point[0].clone(), measured, miss, effort }
                }
            };
            reached.effort = effort;
            if reached.miss.near() || descent.steps >= STEPS {
                return Ok(reached);
            }
            best = Some(reached);
            let (soft, slope) = (self.plan.read(&mut self.store, 2)?, self.plan.read(&mut self.store, 3)?);
            descent.step(&soft, &normalised, [&slope, &[]]);
        }
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
