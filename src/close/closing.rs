//! Samples from the generator until they are what was asked for, batch by batch.

use std::collections::HashSet;

use rayon::prelude::*;

use super::correct::scales;
use super::goal::{Goal, follow};
use super::job::{Job, Kept};
use super::moved::moved;
use super::pixels::{FLIPPED, Pixels};
use super::set::{Closed, Set, Settings, Stage};
use super::smooth::smoothed;
use crate::error::Result;
use crate::train::dataset::Measurer;
use crate::train::{Sampler, Task};

/// Samples whose pixels are flipped in a step while other sets wait, for each thread.
const FEW: usize = 2;

/// Samples `first`, `first` + 1, ... of a set for each row of `asked` `[N, P]` in a person's units, closed on
/// what is `held` `[N, P]`. A sample depends on its number, its row and the settings alone: not on how many
/// are closed together, nor on the number of threads.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If rows are not whole.
pub fn close(
    sampler: &mut Sampler,
    first: usize,
    asked: &[f32],
    held: &[bool],
    settings: &Settings,
) -> Result<Closed> {
    let mut closing = Closing::new(sampler)?;
    closing.begin(sampler, 0, &Order { first, asked, held }, settings.clone());
    loop {
        if let Some((_, closed)) = closing.finished() {
            return Ok(closed);
        }
        closing.step(sampler, &|_| false)?;
    }
}

/// What is asked of the samples of a set.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The number of the first one.
    pub first: usize,
    /// A row each, `[N, P]`, in a person's units.
    pub asked: &'a [f32],
    /// What each is held to, `[N, P]`.
    pub held: &'a [bool],
}

/// Sets of samples that are closed side by side, by one generator, whose batches they share.
///
/// A set goes from stage to stage as a whole. A step does one thing to a batch of samples, as many of every
/// set that is in that stage; then it is the turn of another stage. So a set waits for no other longer than a
/// step takes, and sets can come and go between steps.
pub struct Closing {
    task: Task,
    trained: Task,
    measurer: Measurer,
    scales: Vec<f64>,
    /// Which properties follow single pixels.
    follow: Vec<bool>,
    sets: Vec<Set>,
    last: Stage,
}

/// A set's place among the sets, and a sample's in it.
type Row = (usize, usize);
/// A class map `[H, W]` and what it measures, `[P]`.
type Moved = (Vec<u8>, Vec<f32>);

impl Closing {
    /// Of no samples yet, of that generator.
    ///
    /// # Errors
    /// If the device that measures fails.
    pub fn new(sampler: &Sampler) -> Result<Self> {
        let task = sampler.task().clone();
        Ok(Self {
            measurer: Measurer::new(task.properties(), task.images(), sampler.batch_size())?,
            scales: scales(sampler.trained()),
            trained: sampler.trained().clone(),
            follow: follow(&task),
            task,
            sets: Vec::new(),
            last: Stage::Settle,
        })
    }

    /// Adds a set, which `id` names from now on.
    ///
    /// # Panics
    /// If rows are not whole.
    pub fn begin(&mut self, sampler: &Sampler, id: u64, order: &Order, settings: Settings) {
        let Order { first, asked, held } = *order;
        let width = self.task.columns().len();
        assert!(asked.len() == held.len() && asked.len().is_multiple_of(width), "rows of {width} numbers");
        let rows = asked.chunks_exact(width).zip(held.chunks_exact(width)).zip(first..);
        let jobs = rows.map(|((asked, held), index)| {
            let mut tolerance = settings.tolerances.of(asked, &self.task);
            tolerance.iter_mut().zip(held).filter(|(_, held)| !**held).for_each(|(t, _)| *t = f64::INFINITY);
            let goal = Goal::new(asked, tolerance, &self.follow, &self.task);
            Job::new(index, goal, [&self.task, &self.trained], &self.scales)
        });
        let jobs: Vec<Job> = jobs.collect();
        self.sets.push(Set::new(id, settings, jobs, sampler, &self.task));
    }

    /// Ends a set with the nearest that each of its samples came to. Those that had no pass yet get one.
    pub fn end(&mut self, id: u64) {
        for set in self.sets.iter_mut().filter(|set| set.id == id && set.stage != Stage::Done) {
            set.ended = true;
            set.waiting.retain(|&i| !set.jobs[i].has_something());
        }
    }

    /// Forgets a set.
    pub fn forget(&mut self, id: u64) {
        self.sets.retain(|set| set.id != id);
    }

    /// Whether there is no set.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sets.is_empty()
    }

    /// Takes a set that is done, and what it is called.
    pub fn finished(&mut self) -> Option<(u64, Closed)> {
        let at = self.sets.iter().position(|set| set.stage == Stage::Done)?;
        let set = self.sets.remove(at);
        Some((set.id, set.delivered(&self.task)))
    }

    /// Does one thing to a batch of samples. `hurry`, of a set, is asked now and then where that takes long:
    /// whether what has come of it so far must do.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, sampler: &mut Sampler, hurry: &(dyn Fn(u64) -> bool + Sync)) -> Result<()> {
        let stages = [Stage::Correct, Stage::Descend, Stage::Settle];
        let after = stages.iter().position(|stage| *stage == self.last).unwrap_or(0) + 1;
        let next = (0..3)
            .map(|i| stages[(after + i) % 3])
            .find(|&stage| self.sets.iter().any(|set| set.stage == stage && !set.waiting.is_empty()));
        if let Some(stage) = next {
            let done = match stage {
                Stage::Correct => self.correct(sampler)?,
                Stage::Descend => self.descend(sampler)?,
                _ => self.settle(sampler.batch_size(), hurry)?,
            };
            for (s, set) in self.sets.iter_mut().enumerate() {
                set.waiting.retain(|&i| !done.contains(&(s, i)));
            }
            self.last = stage;
            // The first to be given rows is another one the next time.
            self.sets.rotate_left(1);
        }
        for set in &mut self.sets {
            while set.waiting.is_empty() && set.stage != Stage::Done {
                set.leave();
                set.enter(sampler, &self.task);
            }
        }
        Ok(())
    }

    /// As many samples of each set in a stage, at most `most` of all, of which no two must have one `row`.
    fn rows(&self, stage: Stage, most: usize, row: impl Fn(usize) -> Option<usize>) -> Vec<Row> {
        let sets = || self.sets.iter().enumerate().filter(|(_, set)| set.stage == stage);
        let longest = sets().map(|(_, set)| set.waiting.len()).max().unwrap_or(0);
        let mut taken = HashSet::new();
        (0..longest)
            .flat_map(|k| sets().filter_map(move |(s, set)| Some((s, *set.waiting.get(k)?))))
            .filter(|&(s, i)| row(self.sets[s].jobs[i].index).is_none_or(|row| taken.insert(row)))
            .take(most)
            .collect()
    }

    /// The numbers of these samples in their sets.
    fn numbers(&self, rows: &[Row]) -> Vec<usize> {
        rows.iter().map(|&(s, i)| self.sets[s].jobs[i].index).collect()
    }

    /// A pass of some samples; returns those that need no further one.
    fn correct(&mut self, sampler: &mut Sampler) -> Result<Vec<Row>> {
        let rows = self.rows(Stage::Correct, sampler.batch_size(), |k| sampler.row(k));
        let numbers = self.numbers(&rows);
        let length = self.scales.len();
        let (pixels, classes) = (self.task.images().pixels(), self.task.images().classes);
        let (mut z, mut r) = (Vec::new(), Vec::new());
        for &(s, i) in &rows {
            z.extend_from_slice(&self.sets[s].jobs[i].z);
            r.extend(sampler.seen(self.sets[s].jobs[i].search.asked().to_vec()));
        }
        let (maps, soft) = sampler.pass(&numbers, &z, &r)?;
        let probabilities = sampler.probabilities()?;
        let measured = self.measurer.measure(&maps)?;
        let moved = self.moved(&rows, &maps, &probabilities)?;
        let (task, trained) = (&self.task, &self.trained);
        let mut done = Vec::new();
        for ((k, &(s, i)), moved) in rows.iter().enumerate().zip(moved) {
            let set = &mut self.sets[s];
            let job = &mut set.jobs[i];
            let measured = &measured[k * length..][..length];
            job.passed();
            let (pass, z) = (&maps[k * pixels..][..pixels], job.z.clone());
            let kept = |map: Vec<u8>| Kept {
                map,
                pass: pass.to_vec(),
                probabilities: probabilities[k * pixels * classes..][..pixels * classes].to_vec(),
                z: z.clone(),
                r: r[k * length..][..length].to_vec(),
                ..Kept::default()
            };
            job.offer(measured, task, || kept(pass.to_vec()));
            if let Some((map, measured)) = moved {
                job.offer(&measured, task, || kept(map));
            }
            if set.ended || set.settings.tries == 0 || job.is_corrected() {
                done.push((s, i));
            } else {
                let soft = &soft[k * length..][..length];
                let mut normalised = trained.normalised(measured);
                normalised.iter_mut().zip(soft).filter(|(m, _)| m.is_nan()).for_each(|(m, s)| *m = *s);
                job.search.step(&normalised, trained);
            }
        }
        self.smooth(&done)?;
        Ok(done)
    }

    /// Passes with their figures moved to where they are to be, and what these measure; none where that is nothing.
    fn moved(&mut self, rows: &[Row], maps: &[u8], probabilities: &[f32]) -> Result<Vec<Option<Moved>>> {
        let (images, sets) = (self.task.images(), &self.sets);
        let (pixels, classes) = (images.pixels(), images.classes);
        let moved: Vec<Option<Vec<u8>>> = rows
            .par_iter()
            .zip(maps.par_chunks(pixels).zip(probabilities.par_chunks(pixels * classes)))
            .map(|(&(s, i), (map, probabilities))| {
                let set = &sets[s];
                let moves = !set.ended && set.settings.tries > 0;
                if moves { moved(images, map, probabilities, &set.jobs[i].figures) } else { None }
            })
            .collect();
        let measured =
            self.measurer.measure(&moved.iter().flatten().flatten().copied().collect::<Vec<_>>())?;
        let mut measured = measured.chunks_exact(self.scales.len());
        Ok(moved.into_iter().map(|map| Some((map?, measured.next()?.to_vec()))).collect())
    }

    /// Makes the interfaces of some samples smoother, where that brings them nearer to a curve.
    fn smooth(&mut self, rows: &[Row]) -> Result<()> {
        let (task, sets) = (&self.task, &self.sets);
        let smooth: Vec<(Row, Vec<Vec<u8>>)> = rows
            .par_iter()
            .filter(|&&(s, i)| {
                let (set, job) = (&sets[s], &sets[s].jobs[i]);
                !set.ended && set.settings.tries > 0 && !job.miss.within() && !job.goal.is_whole(task)
            })
            .map(|&(s, i)| {
                let Kept { pass, probabilities, .. } = &sets[s].jobs[i].kept;
                ((s, i), smoothed(task.images(), pass, probabilities))
            })
            .collect();
        self.offer(smooth.into_iter().flat_map(|(row, maps)| maps.into_iter().map(move |map| (row, map))))
    }

    /// Measures maps that were made of those kept, and keeps those that are nearer.
    fn offer(&mut self, made: impl Iterator<Item = (Row, Vec<u8>)>) -> Result<()> {
        let (rows, maps): (Vec<Row>, Vec<Vec<u8>>) = made.unzip();
        let measured = self.measurer.measure(&maps.concat())?;
        let numbers = measured.chunks_exact(self.scales.len());
        for (((s, i), map), measured) in rows.into_iter().zip(maps).zip(numbers) {
            let job = &mut self.sets[s].jobs[i];
            let miss = job.goal.miss(measured, &self.task);
            if miss.less(job.miss) {
                job.miss = miss;
                job.kept.map = map;
                job.kept.measured = measured.to_vec();
            }
        }
        Ok(())
    }

    /// A step of some samples along the gradient; returns those that need no further one.
    fn descend(&mut self, sampler: &mut Sampler) -> Result<Vec<Row>> {
        let rows = self.rows(Stage::Descend, sampler.batch_size(), |k| sampler.row(k));
        let numbers = self.numbers(&rows);
        let (task, length, noise) = (&self.task, self.scales.len(), sampler.noise());
        let (pixels, classes) = (task.images().pixels(), task.images().classes);
        let mut leaves = [const { Vec::new() }; 4];
        for &(s, i) in &rows {
            let descent = self.sets[s].jobs[i].descent();
            let values = [&descent.point[0], &descent.point[1], &descent.aim, &descent.weight];
            leaves.iter_mut().zip(values).for_each(|(leaf, values)| leaf.extend_from_slice(values));
        }
        let [z, r, aim, weight] = &leaves;
        let slope = sampler.slope(&numbers, [z, r], aim, weight)?;
        let measured = self.measurer.measure(&slope.maps)?;
        let mut done = Vec::new();
        for (k, &(s, i)) in rows.iter().enumerate() {
            let job = &mut self.sets[s].jobs[i];
            let measured = &measured[k * length..][..length];
            job.effort.steps += 1;
            let pass = &slope.maps[k * pixels..][..pixels];
            job.offer(measured, task, || Kept {
                map: pass.to_vec(),
                pass: pass.to_vec(),
                probabilities: slope.probabilities[k * pixels * classes..][..pixels * classes].to_vec(),
                z: z[k * noise..][..noise].to_vec(),
                r: r[k * length..][..length].to_vec(),
                ..Kept::default()
            });
            let [by_z, by_r] = [(0, noise), (1, length)].map(|(of, len)| &slope.by[of][k * len..][..len]);
            let hard = task.normalised(measured);
            job.descent().step(&slope.soft[k * length..][..length], &hard, [by_z, by_r]);
            if !job.descends(task) {
                done.push((s, i));
            }
        }
        Ok(done)
    }

    /// Flips pixels of some samples, once their interfaces are smooth; returns these.
    fn settle(&mut self, batch: usize, hurry: &(dyn Fn(u64) -> bool + Sync)) -> Result<Vec<Row>> {
        let most = if self.sets.len() > 1 { FEW * rayon::current_num_threads() } else { batch };
        let rows = self.rows(Stage::Settle, most, |_| None);
        // Those that came by no gradient were made smooth before, as they are.
        let descended = |&(s, i): &Row| self.sets[s].jobs[i].descent.is_some();
        let descended: Vec<Row> = rows.iter().copied().filter(descended).collect();
        self.smooth(&descended)?;
        let (task, sets) = (&self.task, &self.sets);
        let most = (FLIPPED * task.images().pixels() as f64) as usize;
        let flipped: Vec<(Row, Vec<u8>)> = rows
            .par_iter()
            .filter_map(|&(s, i)| {
                let Job { kept, goal, .. } = &sets[s].jobs[i];
                let (properties, images) = (task.properties(), task.images());
                let Kept { map, probabilities, .. } = kept;
                let mut pixels =
                    Pixels::new(properties, images, map, probabilities, &goal.target, &goal.reach)?;
                let flips = pixels.settle(most, &|| hurry(sets[s].id));
                (flips > 0).then(|| ((s, i), pixels.into_map()))
            })
            .collect();
        self.offer(flipped.into_iter())?;
        Ok(rows)
    }
}
