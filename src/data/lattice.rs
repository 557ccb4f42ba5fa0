//! Which pixels of an image are neighbours, and what follows: connected pieces and adjoining grains.

/// No label: what is beyond the border of an image that is not periodic.
pub const OUTSIDE: u32 = u32::MAX;

/// An image of pixels, `[H, W]` row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lattice {
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Whether the image continues at the opposite border.
    pub periodic: bool,
}

impl Lattice {
    /// A square one.
    #[must_use]
    pub fn square(size: usize, periodic: bool) -> Self {
        Self { height: size, width: size, periodic }
    }

    /// The coordinates before and after `v` of an axis, where there are any.
    fn beside(self, v: usize, extent: usize) -> [Option<usize>; 2] {
        let last = extent - 1;
        let wrap = |to: usize| self.periodic.then_some(to);
        [if v > 0 { Some(v - 1) } else { wrap(last) }, if v < last { Some(v + 1) } else { wrap(0) }]
    }

    /// The up to four pixels that share an edge with pixel `i`: left, right, above, below.
    pub fn edge_neighbours(self, i: usize) -> impl Iterator<Item = usize> {
        let (width, pixels) = (self.width, self.height * self.width);
        // The one division of a flood fill: 32 bits are several times faster than 64.
        let x = (i as u32 % width as u32) as usize;
        let beyond = |to: usize| self.periodic.then_some(to);
        [
            if x > 0 { Some(i - 1) } else { beyond(i + width - 1) },
            if x + 1 < width { Some(i + 1) } else { beyond(i + 1 - width) },
            if i >= width { Some(i - width) } else { beyond(i + pixels - width) },
            if i + width < pixels { Some(i + width) } else { beyond(i + width - pixels) },
        ]
        .into_iter()
        .flatten()
    }

    /// Labels of the eight pixels that share an edge or a corner with the one in column `x` and row
    /// `y`; [`OUTSIDE`] where there is none.
    #[inline]
    #[must_use]
    pub fn around(self, labels: &[u32], x: usize, y: usize) -> [u32; 8] {
        let (width, i) = (self.width, y * self.width + x);
        if x > 0 && x + 1 < width && y > 0 && y + 1 < self.height {
            let (above, below) = (&labels[i - width - 1..][..3], &labels[i + width - 1..][..3]);
            return [
                above[0],
                above[1],
                above[2],
                labels[i - 1],
                labels[i + 1],
                below[0],
                below[1],
                below[2],
            ];
        }
        let ([left, right], [above, below]) = (self.beside(x, width), self.beside(y, self.height));
        let at = |x: Option<usize>, y: Option<usize>| match (x, y) {
            (Some(x), Some(y)) => labels[y * width + x],
            _ => OUTSIDE,
        };
        let (column, row) = (Some(x), Some(y));
        [
            at(left, above),
            at(column, above),
            at(right, above),
            at(left, row),
            at(right, row),
            at(left, below),
            at(column, below),
            at(right, below),
        ]
    }

    /// Piece of every pixel, `[H, W]`: the pieces are the regions of one label that are connected
    /// along edges, numbered from 0 in the order in which rows meet them.
    #[must_use]
    pub fn pieces<T: PartialEq>(self, labels: &[T]) -> Vec<u32> {
        const UNSEEN: u32 = u32::MAX;
        let mut pieces = vec![UNSEEN; labels.len()];
        let mut count = 0;
        let mut front = vec![];
        for first in 0..labels.len() {
            if pieces[first] != UNSEEN {
                continue;
            }
            pieces[first] = count;
            front.push(first);
            while let Some(i) = front.pop() {
                for j in self.edge_neighbours(i) {
                    if pieces[j] == UNSEEN && labels[j] == labels[first] {
                        pieces[j] = count;
                        front.push(j);
                    }
                }
            }
            count += 1;
        }
        pieces
    }

    /// Gives every pixel of a piece that is not `kept` to a kept piece beside it, so that kept pieces
    /// stay connected; returns the pieces that are left, renumbered. At least one must be kept.
    pub(super) fn absorb(self, mut pieces: Vec<u32>, kept: &[bool]) -> Vec<u32> {
        if kept.iter().all(|&kept| kept) {
            return pieces;
        }
        let mut orphans: Vec<usize> = (0..pieces.len()).filter(|&i| !kept[pieces[i] as usize]).collect();
        while !orphans.is_empty() {
            orphans.retain(|&i| {
                let mut beside = [None; 4];
                for (slot, j) in beside.iter_mut().zip(self.edge_neighbours(i)) {
                    *slot = Some(pieces[j]).filter(|&piece| kept[piece as usize]);
                }
                // The piece with most edges, the first of equals, keeps boundaries short.
                let edges = |piece| beside.iter().filter(|&&b| b == piece).count();
                let best = beside.into_iter().filter(Option::is_some).rev().max_by_key(|&b| edges(b));
                match best.flatten() {
                    Some(piece) => pieces[i] = piece,
                    None => return true,
                }
                false
            });
        }
        self.pieces(&pieces)
    }

    /// For every grain the grains that share an edge of a pixel with it, in ascending order.
    #[must_use]
    pub fn adjoining(self, grains: &[u32]) -> Vec<Vec<u32>> {
        let mut pairs = vec![];
        for (i, &grain) in grains.iter().enumerate() {
            pairs.extend(self.edge_neighbours(i).map(|j| (grain, grains[j])).filter(|(a, b)| a != b));
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut adjoining = vec![vec![]; areas(grains).len()];
        for (a, b) in pairs {
            adjoining[a as usize].push(b);
        }
        adjoining
    }
}

/// Number of pixels of every label from 0 to the largest one.
#[must_use]
pub fn areas(labels: &[u32]) -> Vec<usize> {
    let mut areas = vec![];
    for &label in labels {
        let label = label as usize;
        if label >= areas.len() {
            areas.resize(label + 1, 0);
        }
        areas[label] += 1;
    }
    areas
}
