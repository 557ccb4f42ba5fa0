//! What is trained: presets with a few changes, in quick settings and in the paper's.

use crate::error::Result;
use crate::train::Config;

/// A training that parts share.
pub struct Recipe {
    /// Its name in folders.
    pub name: &'static str,
    /// What reports call it.
    pub label: &'static str,
    /// The preset of the quick settings, and changes.
    pub quick: (&'static str, &'static str),
    /// The same of the paper's.
    pub full: (&'static str, &'static str),
    /// Whether its errors are followed through training.
    pub followed: bool,
}

/// Of all settings: what is measured is what networks have learned.
const ALL: &str = "exact_shares=false relax=0 modulate=false";
/// Of all quick settings: two cores take minutes. Batches of 16 cost half of the presets' 32.
const QUICK: &str = "batch=16 log_every=10 checkpoint_every=50 eval_samples=400";
/// Of all quick settings too, before their changes: one pair of networks for whatever is compared, and images as they lie.
const PAIR: &str =
    "family=dcgan latent=128 latent_map=false modulate=false relax=0 augment=none downsampling=strided";

/// Updates of the generator are equally many for all objectives on circles: a step against the critic
/// and two of the projection for InvNet, one step an iteration for the others.
pub const INVNET: Recipe = Recipe {
    name: "circles-invnet",
    label: "InvNet",
    quick: ("circles-quick", "images=4096 iterations=600"),
    full: ("circles", ""),
    followed: true,
};
/// WGAN-GP on circles.
pub const WGAN: Recipe = Recipe {
    name: "circles-wgan-gp",
    label: "WGAN-GP",
    quick: ("circles-wgan-gp-quick", "images=4096 iterations=1800"),
    full: ("circles-wgan-gp", ""),
    followed: true,
};
/// A conditional GAN on circles.
pub const CGAN: Recipe = Recipe {
    name: "circles-cgan",
    label: "cGAN",
    quick: ("circles-cgan-quick", "images=4096 iterations=1800"),
    full: ("circles-cgan", ""),
    followed: true,
};
/// AC-GAN on circles.
pub const ACGAN: Recipe = Recipe {
    name: "circles-acgan",
    label: "AC-GAN",
    quick: ("circles-acgan-quick", "images=4096 iterations=1800"),
    full: ("circles-acgan", ""),
    followed: true,
};
/// A circle and a square.
pub const CIRCLE_SQUARE: Recipe = Recipe {
    name: "circle-square",
    label: "InvNet",
    quick: ("circle-square-quick", "exact_shares=true images=4096 iterations=600"),
    full: ("circle-square", ""),
    followed: false,
};

const PHASES: &str = "images=1536 iterations=500 z_scale=0.7 n_g=1";
/// Two phases by volume fraction.
pub const FRACTION: Recipe = Recipe {
    name: "two-phase-p1",
    label: "InvNet",
    quick: ("two-phase-p1-quick", PHASES),
    full: ("two-phase-p1", "n_g=1"),
    followed: false,
};
/// Two phases by fraction and correlation.
pub const MOMENTS: Recipe = Recipe {
    name: "two-phase",
    label: "InvNet",
    quick: ("two-phase-quick", "images=1536 iterations=500 modulate=true relax=1 z_scale=0.2 n_i=3"),
    full: ("two-phase", "n_g=1"),
    followed: false,
};

/// The approach of Stinis et al. with the penalty on image and residual.
pub const STINIS: Recipe = Recipe {
    name: "stinis",
    label: "Stinis et al., penalty on image and residual",
    quick: ("two-phase-stinis-quick", "images=1536 iterations=400"),
    full: ("two-phase-stinis", "iterations=20000"),
    followed: false,
};
/// The same with the penalty on the image alone.
pub const STINIS_IMAGE: Recipe = Recipe {
    name: "stinis-image",
    label: "the same, penalty on the image alone",
    quick: ("two-phase-stinis-quick", "images=1536 iterations=400 penalise=image"),
    full: ("two-phase-stinis", "iterations=20000 penalise=image"),
    followed: false,
};
/// The same with noisy data.
pub const STINIS_NOISE: Recipe = Recipe {
    name: "stinis-noise",
    label: "the same, penalty on the image alone, noisy data",
    quick: ("two-phase-stinis-quick", "images=1536 iterations=400 penalise=image data_noise=0.1"),
    full: ("two-phase-stinis", "iterations=20000 penalise=image data_noise=0.1"),
    followed: false,
};

/// Polycrystals.
pub const GRAINS: Recipe = Recipe {
    name: "polycrystal",
    label: "InvNet",
    quick: (
        "polycrystal-quick",
        "images=3000 iterations=600 relax=5 z_scale=0.5 n_g=1 n_i=2 lr_decay=linear crisp=none",
    ),
    full: ("polycrystal", ""),
    followed: false,
};

/// Two phases without the projection: a WGAN-GP that is told r, which nothing pulls to it.
pub const NO_PROJECTION: Recipe = Recipe {
    name: "without-projection",
    label: "without projection",
    quick: ("two-phase-p1-quick", "images=1536 iterations=500 z_scale=0.7 n_g=1 n_i=0"),
    full: ("two-phase-p1", "n_g=1 n_i=0"),
    followed: false,
};
/// Two phases by the projection alone.
pub const NO_CRITIC: Recipe = Recipe {
    name: "without-critic",
    label: "without critic",
    quick: ("two-phase-p1-quick", "images=1536 iterations=500 z_scale=0.7 n_g=0 n_d=0"),
    full: ("two-phase-p1", "n_g=0 n_d=0"),
    followed: false,
};
/// Two phases with one loss for the generator; as many updates of it as of InvNet's.
pub const JOINT: Recipe = Recipe {
    name: "joint",
    label: "joint loss (Eq. 2, mu = 100)",
    quick: (
        "two-phase-p1-quick",
        "images=1536 iterations=500 z_scale=0.7 n_i=0 n_g=3 objective=joint mu=100",
    ),
    full: ("two-phase-p1", "n_i=0 n_g=3 objective=joint mu=100"),
    followed: false,
};
/// Two phases asked for fractions drawn evenly.
pub const PRIOR: Recipe = Recipe {
    name: "prior",
    label: "r from a prior",
    quick: ("two-phase-p1-quick", "images=1536 iterations=500 z_scale=0.7 n_g=1 targets=prior"),
    full: ("two-phase-p1", "n_g=1 targets=prior"),
    followed: false,
};

impl Recipe {
    /// Its configuration in the quick settings or in the paper's.
    ///
    /// # Errors
    /// If a change does not fit its preset: a mistake in this file.
    pub fn config(&self, quick: bool, seed: u64) -> Result<Config> {
        let (preset, changes) = if quick { self.quick } else { self.full };
        let mut config = Config::preset(preset)?;
        let [general, pair] = if quick { [QUICK, PAIR] } else { [""; 2] };
        let seed = format!("seed={seed}");
        let all = ALL
            .split_whitespace()
            .chain(general.split_whitespace())
            .chain(pair.split_whitespace())
            .chain(changes.split_whitespace())
            .chain([&*seed]);
        config.set_all(all, self.name)?;
        Ok(config)
    }
}

/// Seconds that a training takes on two idle cores of a processor of 2023 (AMD Zen 4), from its pixels,
/// channels, batch and steps; others take their share of it.
#[must_use]
pub fn estimate(config: &Config) -> f64 {
    let [h, w] = config.data.size().ok().flatten().unwrap_or([64; 2]);
    let train = &config.train;
    let steps = (train.n_g + train.n_d + train.n_i) as u64 * train.iterations;
    let of_a_step =
        (h * w) as f64 / 4096.0 * (config.net.width as f64 / 16.0).powi(2) * train.batch as f64 / 16.0;
    0.015 * of_a_step * steps as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::paper::PARTS;

    fn all() -> impl Iterator<Item = &'static Recipe> {
        PARTS.iter().flat_map(|part| part.recipes.iter().chain(part.compared)).copied()
    }

    #[test]
    fn every_recipe_is_a_configuration_and_has_a_folder_of_its_own() {
        for recipe in all() {
            for quick in [true, false] {
                let config = recipe.config(quick, 3).unwrap();
                assert_eq!(config.train.seed, 3);
                assert!(estimate(&config) > 1.0, "{}", recipe.name);
            }
            let twin = all().find(|r| r.name == recipe.name && !std::ptr::eq(*r, recipe));
            assert!(twin.is_none(), "{} names two trainings", recipe.name);
        }
    }

    #[test]
    fn objectives_on_circles_update_the_generator_equally_often() {
        let updates = |recipe: &Recipe, quick| {
            let config = recipe.config(quick, 0).unwrap();
            (config.train.n_g + config.train.n_i) as u64 * config.train.iterations
        };
        for quick in [true, false] {
            for recipe in [&WGAN, &CGAN, &ACGAN] {
                assert_eq!(updates(recipe, quick), updates(&INVNET, quick), "{}", recipe.name);
            }
        }
    }
}
