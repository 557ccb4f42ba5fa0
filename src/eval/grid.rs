//! Pictures of class maps: grids of samples, the asked outlines over each, PNG files.

use std::io;
use std::path::Path;

use super::palette::{Rgb, colour};
use crate::data::export::write_atomically;
use crate::data::figure::Figure;
use crate::error::Result;

const PAPER: Rgb = [0xff, 0xff, 0xff];
const INK: Rgb = [0x1c, 0x1c, 0x1c];
/// Width of the gutter between tiles, in pixels of the picture.
const GUTTER: usize = 4;
/// A tile is at least this wide and high, in pixels of the picture.
const TILE: usize = 96;
/// Width of an outline, in pixels of the picture.
const LINE: f64 = 1.6;

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of every pixel, `[height, width, 3]` row-major.
    pub rgb: Vec<u8>,
}

impl Image {
    /// A picture of one colour.
    #[must_use]
    pub fn new(width: usize, height: usize, colour: Rgb) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    /// Writes the picture as a PNG file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) if the file cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomically(path, |file| {
            let side = |n: usize| u32::try_from(n).map_err(io::Error::other);
            let mut encoder = png::Encoder::new(file, side(self.width)?, side(self.height)?);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.rgb)?;
            Ok(writer.finish()?)
        })
    }

    /// Copies `other` into this picture with its top left corner at column `x`, row `y`; what
    /// would lie outside is cut.
    pub fn paste(&mut self, other: &Self, x: usize, y: usize) {
        let columns = other.width.min(self.width.saturating_sub(x));
        for row in 0..other.height.min(self.height.saturating_sub(y)) {
            let to = ((y + row) * self.width + x) * 3;
            let from = row * other.width * 3;
            self.rgb[to..to + columns * 3].copy_from_slice(&other.rgb[from..from + columns * 3]);
        }
    }

    /// Moves the pixel in column `x`, row `y` towards `colour`; `share` 0 leaves it, 1 replaces it.
    fn blend(&mut self, x: usize, y: usize, colour: Rgb, share: f64) {
        let i = (y * self.width + x) * 3;
        for (value, target) in self.rgb[i..i + 3].iter_mut().zip(colour) {
            *value = (f64::from(*value) * (1.0 - share) + f64::from(target) * share).round() as u8;
        }
    }
}

/// A grid of class maps in the colours of `palette`, row by row from the top left.
///
/// `maps` is `[count, h, w]`. Tiles are enlarged by a whole factor to at least 96 pixels.
/// `outlines` are the asked figures of each map, or nothing at all; they are drawn over the samples
/// as thin dark lines, cut at the edge of the tile.
///
/// # Panics
/// If `maps` do not have `count` items, if `outlines` have neither none nor `count`, if `columns`
/// is 0, or if a class has no colour.
#[must_use]
#[track_caller]
pub fn grid_png(
    maps: &[u8],
    count: usize,
    h: usize,
    w: usize,
    columns: usize,
    palette: &[Rgb],
    outlines: &[Vec<Figure>],
) -> Image {
    assert_eq!(maps.len(), count * h * w, "{count} class maps of {h} x {w}");
    assert!([0, count].contains(&outlines.len()), "{} lists of outlines for {count} maps", outlines.len());
    let colours: Vec<Rgb> = maps.iter().map(|&class| colour(palette, usize::from(class))).collect();
    let mut layout = Layout::new(count, h, w, columns);
    layout.fill(&colours);
    for (i, asked) in outlines.iter().enumerate() {
        asked.iter().for_each(|outline| layout.outline(i, outline));
    }
    layout.image
}

/// A grid of class probabilities, `[count, h, w, classes]`: every pixel has the mean of the
/// classes' colours, weighted by probability, so that what is undecided looks blurred.
///
/// # Panics
/// If `probabilities` does not have `count * h * w * classes` items, or if a class has no colour.
#[must_use]
#[track_caller]
pub fn soft_grid(
    probabilities: &[f32],
    count: usize,
    h: usize,
    w: usize,
    classes: usize,
    columns: usize,
    palette: &[Rgb],
) -> Image {
    assert_eq!(probabilities.len(), count * h * w * classes, "{count} maps of {h} x {w} x {classes}");
    let palette: Vec<Rgb> = (0..classes).map(|class| colour(palette, class)).collect();
    let colours: Vec<Rgb> = probabilities
        .chunks_exact(classes)
        .map(|pixel| {
            std::array::from_fn(|channel| {
                let mix: f32 = pixel.iter().zip(&palette).map(|(p, c)| p * f32::from(c[channel])).sum();
                mix.round() as u8
            })
        })
        .collect();
    let mut layout = Layout::new(count, h, w, columns);
    layout.fill(&colours);
    layout.image
}

/// Where the tiles of a grid lie.
struct Layout {
    image: Image,
    count: usize,
    h: usize,
    w: usize,
    columns: usize,
    /// Pixels of the picture for one pixel of a map, along each axis.
    scale: usize,
}

impl Layout {
    #[track_caller]
    fn new(count: usize, h: usize, w: usize, columns: usize) -> Self {
        assert!(columns > 0 && h > 0 && w > 0, "a grid of {columns} columns of {h} x {w} maps");
        let scale = TILE.div_ceil(h.min(w)).max(1);
        let columns = columns.min(count.max(1));
        let side = |tiles: usize, size: usize| tiles * (size * scale + GUTTER) + GUTTER;
        let image = Image::new(side(columns, w), side(count.div_ceil(columns), h), PAPER);
        Self { image, count, h, w, columns, scale }
    }

    /// Column and row of the top left corner of tile `i`.
    fn corner(&self, i: usize) -> (usize, usize) {
        let place = |n: usize, size: usize| n * (size * self.scale + GUTTER) + GUTTER;
        (place(i % self.columns, self.w), place(i / self.columns, self.h))
    }

    fn fill(&mut self, colours: &[Rgb]) {
        let mut tile = Image::new(self.w * self.scale, self.h * self.scale, PAPER);
        for i in 0..self.count {
            let colours = &colours[i * self.h * self.w..];
            for (j, pixel) in tile.rgb.chunks_exact_mut(3).enumerate() {
                let (x, y) = (j % tile.width / self.scale, j / tile.width / self.scale);
                pixel.copy_from_slice(&colours[y * self.w + x]);
            }
            let (x, y) = self.corner(i);
            self.image.paste(&tile, x, y);
        }
    }

    /// Draws an outline over tile `i`. A pixel is as dark as the line covers it, which is taken from
    /// its distance to the line's middle: exact for a straight edge, and smooth to the eye.
    fn outline(&mut self, i: usize, outline: &Figure) {
        let (left, top) = self.corner(i);
        let scale = self.scale as f64;
        // The centre of a map's pixel is the middle of `scale` x `scale` pixels of the picture.
        let on_map = |n: usize| (n as f64 + 0.5) / scale - 0.5;
        for y in 0..self.h * self.scale {
            for x in 0..self.w * self.scale {
                let distance = outline.distance(on_map(x), on_map(y)) * scale;
                let share = (LINE / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.image.blend(left + x, top + y, INK, share);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::circle_square::Square;
    use crate::data::circles::Circle;
    use crate::eval::palette::{FIGURES, TWO_PHASE};

    fn pixel(image: &Image, x: usize, y: usize) -> Rgb {
        image.rgb[(y * image.width + x) * 3..][..3].try_into().expect("three channels")
    }

    #[test]
    fn tiles_lie_in_order_and_have_the_classes_colours() {
        // Three maps of 16 x 16, each of one class, in two columns.
        let maps: Vec<u8> = (0..3).flat_map(|class| [class; 256]).collect();
        let image = grid_png(&maps, 3, 16, 16, 2, &FIGURES, &[]);
        assert_eq!((image.width, image.height), (2 * 96 + 3 * 4, 2 * 96 + 3 * 4));
        assert_eq!(image.rgb.len(), image.width * image.height * 3);
        for (class, x, y) in [(0, 4, 4), (0, 99, 99), (1, 104, 4), (1, 199, 99), (2, 4, 104)] {
            assert_eq!(pixel(&image, x, y), FIGURES[class], "at {x}, {y}");
        }
        for (x, y) in [(0, 0), (101, 50), (50, 101), (150, 150)] {
            assert_eq!(pixel(&image, x, y), PAPER, "at {x}, {y}");
        }
        assert_eq!(grid_png(&maps, 3, 16, 16, 8, &FIGURES, &[]).width, 3 * 96 + 4 * 4, "no empty columns");
    }

    #[test]
    fn an_outline_lies_on_the_edge_of_its_disc() {
        let asked = Circle { r: 10.0, cx: 20.0, cy: 30.0 };
        let cut = Circle { r: 8.0, cx: 60.0, cy: 60.0 };
        let blank = [0; 64 * 64];
        let image = grid_png(&blank, 1, 64, 64, 1, &FIGURES, &[vec![Figure::Disc(asked), Figure::Disc(cut)]]);
        // Scale 2, gutter 4: the middle of pixel 30 is at 4 + 61 - 0.5.
        let dark = |x: usize, y: usize| pixel(&image, x, y)[0] < 0x80;
        assert!(dark(64, 64) || dark(65, 64), "right end of the disc");
        assert!(dark(24, 64) || dark(25, 64), "left end of the disc");
        assert!(!dark(44, 64) && !dark(60, 64), "inside is clear");
        for i in 0..image.width {
            assert_eq!(pixel(&image, i, image.height - 1), PAPER, "the gutter stays clear");
        }
    }

    #[test]
    fn a_square_has_straight_sides_and_sharp_corners() {
        let asked = Figure::Square(Square { side: 20.0, cx: 30.0, cy: 24.0 });
        let image = grid_png(&[0; 64 * 64], 1, 64, 64, 1, &TWO_PHASE, &[vec![asked]]);
        // Scale 2, gutter 4: coordinate c of the map is at 4.5 + 2 c.
        let darkest = |x: usize, y: usize| {
            (0..2)
                .flat_map(|dy| (0..2).map(move |dx| (x + dx, y + dy)))
                .map(|(x, y)| pixel(&image, x, y)[0])
                .min()
        };
        for (x, y) in [(20, 24), (40, 24), (30, 14), (30, 34), (20, 30), (33, 34)] {
            assert!(darkest(4 + 2 * x, 4 + 2 * y) < Some(0x80), "{x}, {y} is on a side");
        }
        for (x, y) in [(30, 24), (18, 12), (42, 36), (24, 18), (18, 24), (30, 38)] {
            assert_eq!(darkest(4 + 2 * x, 4 + 2 * y), Some(TWO_PHASE[0][0]), "{x}, {y} is on none");
        }
        let reach = |x, y| asked.distance(x, y);
        assert_eq!((reach(30.0, 24.0), reach(20.0, 24.0), reach(43.0, 38.0)), (10.0, 0.0, 5.0));
    }

    #[test]
    fn soft_tiles_blend_and_certain_ones_equal_the_class_map() {
        let hard = [0_u8, 1, 2, 1];
        let certain: Vec<f32> =
            hard.iter().flat_map(|&c| [0, 1, 2].map(|k| f32::from(u8::from(k == c)))).collect();
        assert_eq!(soft_grid(&certain, 1, 2, 2, 3, 1, &FIGURES), grid_png(&hard, 1, 2, 2, 1, &FIGURES, &[]));
        let even = soft_grid(&[0.5; 8], 1, 2, 2, 2, 1, &FIGURES);
        let middle = (u16::from(FIGURES[0][0]) + u16::from(FIGURES[1][0])).div_ceil(2);
        assert_eq!(u16::from(pixel(&even, 10, 10)[0]), middle);
    }

    #[test]
    fn a_written_picture_reads_back() {
        let path = std::env::temp_dir().join(format!("invnet-grid-{}.png", std::process::id()));
        let image = grid_png(&[0, 1, 2, 3, 4, 5], 1, 2, 3, 1, &FIGURES, &[]);
        image.write_png(&path).expect("writes");
        let file = io::BufReader::new(std::fs::File::open(&path).expect("opens"));
        let mut reader = png::Decoder::new(file).read_info().expect("a picture");
        let mut rgb = vec![0; image.rgb.len()];
        let info = reader.next_frame(&mut rgb).expect("a frame");
        std::fs::remove_file(&path).expect("removes");
        assert_eq!((info.width as usize, info.height as usize), (image.width, image.height));
        assert_eq!(rgb, image.rgb);
    }
}
