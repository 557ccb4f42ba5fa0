//! Square windows of large images, at the images' own scale.
//!
//! Windows begin at multiples of the stride, from the top left; the last ones end where the image does,
//! so that no edge is left out. The corner at the bottom right of
//! every image, about a tenth of its area and as square as the windows let it be, is kept for
//! held-out windows; those that lie partly in it are left out, so that no pixel is ever both trained
//! on and held out. It is the same corner in all images of a size: images that follow each other are
//! often slices of one specimen.

use super::collect::{Frame, MOST, Pass};
use super::labels::Labels;
use super::{Options, Sink};
use crate::error::Result;
use crate::op::Symmetry;

/// The part of an image that is held out.
const HELD_OUT: f64 = 0.1;
/// From so many windows on, two at least are held out.
const ENOUGH_FOR_TWO: usize = 20;

/// How windows are cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    /// Rows and columns of a window.
    pub side: usize,
    /// From one window to the next.
    pub stride: usize,
    /// How windows for training are also taken, shifts aside.
    pub symmetry: Symmetry,
}

/// The windows of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Windows down and across.
    windows: [usize; 2],
    /// Of those, how many lie in the corner that is held out.
    held: [usize; 2],
    /// Where that corner begins.
    corner: [usize; 2],
    /// Where the last windows begin.
    last: [usize; 2],
    side: usize,
    stride: usize,
}

/// What a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Training,
    HeldOut,
    /// Neither: it lies on both sides.
    None,
}

impl Tiling {
    /// What the options ask for, if they ask for windows.
    pub fn of(options: &Options) -> Option<Self> {
        let side = options.tile?;
        let symmetry = Symmetry { shifts: false, flips: options.flips, rotations: options.rotations };
        Some(Self { side, stride: options.stride.unwrap_or(side), symmetry })
    }

    /// Times that a window for training is taken.
    pub fn copies(&self) -> usize {
        self.symmetry.orientations().len()
    }

    /// The windows of an image of `size`, which is at least that of one.
    pub fn grid(&self, size: [usize; 2]) -> Grid {
        let last = size.map(|n| n - self.side);
        let windows = last.map(|last| last.div_ceil(self.stride) + 1);
        let grid = Grid { windows, held: [0, 0], corner: size, last, side: self.side, stride: self.stride };
        // Rows or columns of the corner that holds so many windows of `axis`.
        let extent = |axis: usize, held: usize| size[axis] - grid.start(axis, windows[axis] - held);
        let nearest = |axis: usize, most: usize, share: f64| {
            let miss = |&held: &usize| (extent(axis, held) as f64 / size[axis] as f64 - share).abs();
            (1..=most).min_by(|a, b| miss(a).total_cmp(&miss(b))).unwrap_or(0)
        };
        let [down, across] = windows;
        let mut held = [0, 0];
        if down * across > 1 {
            let most = if down > 1 { down - 1 } else { 1 };
            held[0] = nearest(0, most, if across > 1 { HELD_OUT.sqrt() } else { HELD_OUT });
            let most = if held[0] < down { across } else { across - 1 };
            held[1] = nearest(1, most, HELD_OUT * size[0] as f64 / extent(0, held[0]) as f64);
            if held == [1, 1] && down * across >= ENOUGH_FOR_TWO {
                held[usize::from(across >= down)] = 2;
            }
        }
        if held[0] == 0 {
            return grid;
        }
        Grid { held, corner: [0, 1].map(|axis| grid.start(axis, windows[axis] - held[axis])), ..grid }
    }

    /// Images for training, copies included, and held-out ones that images of these sizes give.
    pub fn totals(&self, sizes: &[[usize; 2]]) -> [usize; 2] {
        sizes.iter().filter(|size| size.iter().all(|&n| n >= self.side)).fold([0, 0], |[t, h], &size| {
            let [training, held] = self.grid(size).counts();
            [t + training * self.copies(), h + held]
        })
    }

    /// The order of a window's pixels in each of its copies, `[side, side]` indices each; the first is
    /// the window itself.
    fn copies_of_pixels(&self) -> Vec<Vec<u32>> {
        let pixels: Vec<u32> = (0..(self.side * self.side) as u32).collect();
        self.symmetry.unshifted([self.side; 2]).map(|by| by.of(&pixels)).collect()
    }
}

impl Grid {
    /// Windows for training and held-out ones.
    pub fn counts(&self) -> [usize; 2] {
        let [down, across] = self.windows;
        if self.held[0] == 0 {
            return [down * across, 0];
        }
        let before = |axis: usize| match self.corner[axis].checked_sub(self.side) {
            Some(room) => room / self.stride + 1,
            None => 0,
        };
        let (above, left) = (before(0), before(1));
        [above * across + (down - above) * left, self.held[0] * self.held[1]]
    }

    /// Pixels of the corner that is held out.
    pub fn corner_area(&self, size: [usize; 2]) -> usize {
        if self.held[0] == 0 { 0 } else { (size[0] - self.corner[0]) * (size[1] - self.corner[1]) }
    }

    /// Where window `i` of an axis begins.
    fn start(&self, axis: usize, i: usize) -> usize {
        (i * self.stride).min(self.last[axis])
    }

    fn usage(&self, at: [usize; 2]) -> Use {
        let start = [0, 1].map(|axis| self.start(axis, at[axis]));
        let is_in = |axis: usize| start[axis] >= self.corner[axis];
        let ends_before = |axis: usize| start[axis] + self.side <= self.corner[axis];
        if self.held[0] == 0 || ends_before(0) || ends_before(1) {
            Use::Training
        } else if is_in(0) && is_in(1) {
            Use::HeldOut
        } else {
            Use::None
        }
    }
}

/// Cuts windows from rows as they come: `side` rows of an image are kept at a time.
pub(super) struct Cutter<'a> {
    tiling: Tiling,
    labels: &'a Labels,
    sink: Sink<'a>,
    copies: Vec<Vec<u32>>,
    grid: Option<Grid>,
    /// Rows of the image from the top of the next windows on.
    band: Vec<u8>,
    /// The row of windows that is next.
    next: usize,
    window: Vec<u8>,
    copy: Vec<u8>,
}

impl<'a> Cutter<'a> {
    pub fn new(tiling: Tiling, labels: &'a Labels, sink: Sink<'a>) -> Self {
        let pixels = tiling.side * tiling.side;
        Self {
            tiling,
            labels,
            sink,
            copies: tiling.copies_of_pixels(),
            grid: None,
            band: Vec::new(),
            next: 0,
            window: vec![0; pixels],
            copy: vec![0; pixels],
        }
    }

    /// Hands on a row of windows, all of whose pixels are there.
    fn cut(&mut self, grid: &Grid, width: usize) -> Result<()> {
        let side = grid.side;
        for across in 0..grid.windows[1] {
            let usage = grid.usage([self.next, across]);
            if usage == Use::None {
                continue;
            }
            for (to, from) in self.window.chunks_exact_mut(side).zip(self.band.chunks_exact(width)) {
                to.copy_from_slice(&from[grid.start(1, across)..][..side]);
            }
            if usage == Use::HeldOut {
                (self.sink)(&self.window, true)?;
                continue;
            }
            for order in &self.copies {
                self.copy.iter_mut().zip(order).for_each(|(to, &from)| *to = self.window[from as usize]);
                (self.sink)(&self.copy, false)?;
            }
        }
        Ok(())
    }
}

impl Pass for Cutter<'_> {
    fn begin(&mut self, frame: &Frame) -> Result<()> {
        self.band.clear();
        self.next = 0;
        self.grid = Some(self.tiling.grid([frame.height, frame.width]));
        Ok(())
    }

    fn rows(&mut self, frame: &Frame, first: usize, classes: &[u8]) -> Result<()> {
        let Some(grid) = self.grid else { return Ok(()) };
        let side = grid.side;
        for (i, row) in classes.chunks_exact(frame.width).enumerate() {
            // Between windows that do not touch, and below the last ones, rows are in none.
            if self.next == grid.windows[0] || first + i < grid.start(0, self.next) {
                continue;
            }
            self.band.extend(row.iter().map(|&class| self.labels.class(class)));
            if self.band.len() == side * frame.width {
                self.cut(&grid, frame.width)?;
                let step = grid.start(0, self.next + 1) - grid.start(0, self.next);
                self.next += 1;
                self.band.drain(..step.min(side) * frame.width);
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Frame, _: &[u64; MOST]) -> Result<()> {
        Ok(())
    }
}
