//! Area and centroid of every figure, from one pass of moments.

use std::f64::consts::PI;

use super::tally::Additive;
use super::{Column, Grain, Images, Invariance, Kind, Made, Mistake, Tally, View};
use crate::options::Options;
use crate::tape::Var;

/// Added to an area, in pixels, before it divides a moment: an empty channel has its centroid at
/// the origin and no gradient blows up.
const EMPTY: f64 = 1e-6;

/// Column k of the moments of channels 1.., `[N, C - 1]`.
fn moment<'t>(moments: Var<'t>, k: usize) -> Var<'t> {
    let [n, c] = [moments.shape()[0], moments.shape()[1]];
    moments.slice(&[0, 1, k], [n, c - 1, 1]).reshape([n, c - 1])
}

/// Area of each figure over the pixels of the image (paper Eq. 3): `[N, H, W, C]` to `[N, C - 1]`.
pub fn area(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    moment(x.moments(), 0).scale(1.0 / (s[1] * s[2]) as f64)
}

/// Centre of mass of each figure (paper Eq. 4): cx1, cy1, cx2, cy2, ... over W and H, `[N, 2 (C - 1)]`.
pub fn centroid(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    let (n, figures) = (s[0], s[3] - 1);
    let moments = x.moments();
    let mass = moment(moments, 0).shift(EMPTY);
    // Moments are about the middle of the image.
    let centre = |k, extent: usize| {
        let first = moment(moments, k) + moment(moments, 0).scale((extent as f64 - 1.0) / 2.0);
        (first / mass).scale(1.0 / extent as f64)
    };
    let (cx, cy) = (centre(1, s[2]), centre(2, s[1]));
    // Interleaved figure by figure.
    let pair = x.tape().concat(&[cx.reshape([n, figures, 1]), cy.reshape([n, figures, 1])], 2);
    pair.reshape([n, 2 * figures])
}

/// Pixels and the sums of columns and rows of every figure of a class map with rows of `width`.
fn sums(map: &[u8], width: usize, classes: usize) -> Vec<[f64; 3]> {
    let mut sums = vec![[0.0; 3]; classes];
    for (i, &class) in map.iter().enumerate() {
        let sum = &mut sums[usize::from(class)];
        sum[0] += 1.0;
        sum[1] += (i % width) as f64;
        sum[2] += (i / width) as f64;
    }
    sums.remove(0);
    sums
}

/// `area`: of every figure, in square pixels.
pub(super) const AREA: Kind = Kind {
    name: "area",
    about: "area of every figure",
    keys: &[],
    weight: 1.0,
    make: |_, name, images| Ok(extent(name, images, false)),
};

/// `radius`: that of a disc of every figure's area, in pixels.
pub(super) const RADIUS: Kind = Kind {
    name: "radius",
    about: "radius of the disc that has a figure's area, of every figure",
    keys: &[],
    weight: 1.0,
    make: |_, name, images| Ok(extent(name, images, true)),
};

fn extent(name: &str, images: &Images, radius: bool) -> Made {
    let (usual, unit) = if radius { ("r", "px") } else { ("area", "px^2") };
    let prefix = if name.is_empty() { usual } else { name };
    let of = Extent { images: *images, radius };
    let most = f64::from(of.in_units(&[1.0])[0]);
    let column = |i| Column::new(format!("{prefix}{i}"), unit, (0.0, most));
    Made { columns: (1..images.classes).map(column).collect(), invariance: Box::new(of) }
}

/// Area of every figure; normalised by the pixels of the image.
pub struct Extent {
    /// The images.
    pub images: Images,
    /// Whether a person reads it as the radius of a disc.
    pub radius: bool,
}

impl Invariance for Extent {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        area(x)
    }

    fn on_map(&self, map: &[u8]) -> Option<Vec<f64>> {
        let pixels = self.images.pixels() as f64;
        Some(
            sums(map, self.images.size[1], self.images.classes)
                .iter()
                .map(|[area, ..]| area / pixels)
                .collect(),
        )
    }

    fn normalised(&self, asked: &[f32]) -> Vec<f64> {
        let pixels = self.images.pixels() as f64;
        let area = |v: f64| if self.radius { PI * v * v } else { v };
        asked.iter().map(|&v| area(f64::from(v)) / pixels).collect()
    }

    fn in_units(&self, normalised: &[f64]) -> Vec<f32> {
        let pixels = self.images.pixels() as f64;
        let from = |area: f64| if self.radius { (area.max(0.0) / PI).sqrt() } else { area };
        normalised.iter().map(|v| from(v * pixels) as f32).collect()
    }

    fn joint(&self) -> bool {
        false
    }

    fn grain(&self) -> Grain {
        Grain::Count
    }

    fn share(&self, i: usize) -> Option<usize> {
        Some(i + 1)
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        let pixels = images.pixels() as f64;
        let add = |class: u8, _: usize, by: f64, sums: &mut [f64]| {
            if let Some(figure) = usize::from(class).checked_sub(1) {
                sums[figure] += by;
            }
        };
        let numbers = move |sums: &[f64], numbers: &mut [f64]| {
            numbers.iter_mut().zip(sums).for_each(|(number, sum)| *number = sum / pixels);
        };
        Some(Box::new(Additive::new(map, images.classes - 1, add, numbers)))
    }

    fn view(&self) -> View {
        View::Bars
    }
}

/// `centroid`: of every figure, in pixels.
pub(super) const CENTROID: Kind = Kind {
    name: "centroid",
    about: "centre of mass of every figure",
    keys: &[],
    weight: 1.0,
    make: centroids,
};

fn centroids(_: &Options, name: &str, images: &Images) -> Result<Made, Mistake> {
    let prefix = if name.is_empty() { "c" } else { name };
    let [h, w] = images.size;
    let column = |axis: char, i, extent: usize| {
        Column::coordinate(format!("{prefix}{axis}{i}"), (0.0, extent as f64 - 1.0))
    };
    let columns = (1..images.classes).flat_map(|i| [column('x', i, w), column('y', i, h)]).collect();
    Ok(Made { columns, invariance: Box::new(Centroid { images: *images }) })
}

/// Centre of mass of every figure; normalised by the image's width and height.
pub struct Centroid {
    /// The images.
    pub images: Images,
}

impl Centroid {
    /// Width and height in turn.
    fn sides(&self) -> impl Iterator<Item = f64> {
        let [h, w] = self.images.size;
        [w as f64, h as f64].into_iter().cycle()
    }
}

impl Invariance for Centroid {
    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        centroid(x)
    }

    /// A figure that is not there has no position: NaN.
    fn on_map(&self, map: &[u8]) -> Option<Vec<f64>> {
        let [h, w] = self.images.size;
        let sums = sums(map, w, self.images.classes);
        Some(sums.iter().flat_map(|[area, x, y]| [x / area / w as f64, y / area / h as f64]).collect())
    }

    fn normalised(&self, asked: &[f32]) -> Vec<f64> {
        asked.iter().zip(self.sides()).map(|(&v, side)| f64::from(v) / side).collect()
    }

    fn in_units(&self, normalised: &[f64]) -> Vec<f32> {
        normalised.iter().zip(self.sides()).map(|(v, side)| (v * side) as f32).collect()
    }

    fn joint(&self) -> bool {
        false
    }

    fn grain(&self) -> Grain {
        Grain::Place
    }

    fn place(&self, i: usize) -> Option<(usize, usize)> {
        Some((i / 2 + 1, i % 2))
    }

    fn tally(&self, images: &Images, map: &[u8]) -> Option<Box<dyn Tally>> {
        let [h, w] = images.size;
        let add = move |class: u8, at: usize, by: f64, sums: &mut [f64]| {
            if let Some(figure) = usize::from(class).checked_sub(1) {
                let sums = &mut sums[3 * figure..][..3];
                sums[0] += by;
                sums[1] += by * (at % w) as f64;
                sums[2] += by * (at / w) as f64;
            }
        };
        let numbers = move |sums: &[f64], numbers: &mut [f64]| {
            for (pair, sums) in numbers.chunks_exact_mut(2).zip(sums.chunks_exact(3)) {
                pair[0] = sums[1] / sums[0] / w as f64;
                pair[1] = sums[2] / sums[0] / h as f64;
            }
        };
        Some(Box::new(Additive::new(map, 3 * (images.classes - 1), add, numbers)))
    }

    fn view(&self) -> View {
        View::Bars
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::op::Border;

    #[test]
    fn a_figure_that_is_not_there_has_no_position() {
        let images = Images { size: [2, 4], classes: 3, border: Border::Open };
        let map = [0, 0, 2, 2, 0, 0, 0, 2];
        let found = Centroid { images }.on_map(&map).unwrap();
        assert!(found[0].is_nan() && found[1].is_nan(), "{found:?}");
        let centre = Centroid { images }.in_units(&found);
        assert!((centre[2] - 8.0 / 3.0).abs() < 1e-6 && (centre[3] - 1.0 / 3.0).abs() < 1e-6, "{centre:?}");
        let areas = Extent { images, radius: false };
        assert_eq!(areas.in_units(&areas.on_map(&map).unwrap()), [0.0, 3.0]);
    }
}
