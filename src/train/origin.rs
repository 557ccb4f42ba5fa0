//! Where the pixels of a sample begin.
//!
//! A periodic material has no first row: its law is the same from every pixel on. A latent map draws cell by
//! cell, and what it draws depends a little on where in its cell a pixel lies. Were every sample cut at the
//! edges of its cells, the border would be a special line: so each begins at a pixel of its own.

use crate::rng;

/// Step of the random numbers that origins are of: noise has low ones.
const STEP: u32 = u32::MAX;

/// The row and column of what the generator draws at which sample `number` begins.
pub(super) fn origin(number: usize, [height, width]: [usize; 2]) -> [usize; 2] {
    let [row, column, ..] = rng::philox(&[0, 0, STEP], number as u32, 0);
    [rng::index(row, height as u32) as usize, rng::index(column, width as u32) as usize]
}

/// Images `[N, H, W, C]` of these numbers, each from its origin on.
pub(super) fn from_origins<T: Copy>(images: &[T], numbers: &[usize], [height, width]: [usize; 2]) -> Vec<T> {
    let mut all = Vec::with_capacity(images.len());
    for (image, &number) in images.chunks_exact(images.len() / numbers.len().max(1)).zip(numbers) {
        let [row, column] = origin(number, [height, width]);
        let line = image.len() / height;
        let (above, below) = image.split_at(row * line);
        for pixels in below.chunks_exact(line).chain(above.chunks_exact(line)) {
            let (left, right) = pixels.split_at(column * line / width);
            all.extend_from_slice(right);
            all.extend_from_slice(left);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Kind;
    use crate::train::{Config, Sampler, Trainer};

    /// The image of one and the same input as sample 3 and as sample 4, `[16, 16]` and probabilities.
    fn twice(settings: &[&str]) -> [(Vec<u8>, Vec<f32>); 2] {
        let text = "data = \"two-phase\"\n[[ask]]\nproperty = \"fraction\"\nof = 1\n";
        let mut config = Config::from_toml(text, "test").unwrap();
        for setting in ["size=16", "width=4", "batch=4", "images=8", "latent=4"].iter().chain(settings) {
            config.set(setting, "test").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        Trainer::new(&config).unwrap().save(&folder.path().join("checkpoint.safetensors")).unwrap();
        let mut sampler = Sampler::open(folder.path(), Kind::Cpu).unwrap().1;
        let (noise, asked) = (sampler.noise_of(1, 0, 0), sampler.seen(vec![0.4]));
        [3, 4].map(|number| {
            let (maps, _) = sampler.pass(&[number], &noise, &asked).unwrap();
            (maps, sampler.probabilities().unwrap())
        })
    }

    #[test]
    fn a_sample_of_a_latent_map_begins_at_a_pixel_of_its_own() {
        let [a, b] = twice(&["latent_map=true"]);
        let [from, to] = [3, 4].map(|number| origin(number, [16, 16]));
        assert_ne!(from, to);
        for (y, x) in (0..16).flat_map(|y| (0..16).map(move |x| (y, x))) {
            let there = (y + 16 + from[0] - to[0]) % 16 * 16 + (x + 16 + from[1] - to[1]) % 16;
            let here = y * 16 + x;
            assert_eq!((a.0[here], &a.1[2 * here..][..2]), (b.0[there], &b.1[2 * there..][..2]), "{y}, {x}");
            assert_eq!(a.0[here], u8::from(a.1[2 * here + 1] > a.1[2 * here]));
        }
        assert_ne!(a.0, b.0);
        // One input for the whole image says where things are, and a border that is one stays where it is.
        for settings in [&["latent_map=false"][..], &["latent_map=true", "border=zero"]] {
            let [a, b] = twice(settings);
            assert_eq!(a, b, "{settings:?}");
        }
    }

    #[test]
    fn images_go_round() {
        let (size, numbers) = ([3, 4], [7, 8]);
        // Two channels: a pixel's number and its negative.
        let images: Vec<i32> = (0..24).flat_map(|pixel| [pixel, -pixel]).collect();
        let moved = from_origins(&images, &numbers, size);
        for (i, &number) in numbers.iter().enumerate() {
            let [row, column] = origin(number, size);
            for (y, x) in (0..3).flat_map(|y| (0..4).map(move |x| (y, x))) {
                let from = i * 12 + (y + row) % 3 * 4 + (x + column) % 4;
                let to = i * 12 + y * 4 + x;
                assert_eq!(moved[2 * to..][..2], images[2 * from..][..2], "image {i}, pixel {y}, {x}");
            }
        }
    }

    #[test]
    fn samples_begin_anywhere() {
        let mut counts = [0; 12];
        for number in 0..12_000 {
            let [row, column] = origin(number, [3, 4]);
            counts[row * 4 + column] += 1;
        }
        // 1,000 each, with a deviation of 30.
        assert!(counts.iter().all(|count| (880..1120).contains(count)), "{counts:?}");
    }
}
