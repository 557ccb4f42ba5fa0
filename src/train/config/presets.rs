//! The embedded presets.

/// An embedded preset: name, one line about it, commented TOML.
pub type Preset = (&'static str, &'static str, &'static str);

macro_rules! preset {
    ($name:literal, $about:literal) => {
        ($name, $about, include_str!(concat!("../../presets/", $name, ".toml")))
    };
}

/// The presets. Those named quick take minutes on two CPU cores, at 64 x 64; the others have the
/// paper's size, 128 x 128: those named so take less than an hour and a half there, those named nothing want
/// a GPU.
pub const PRESETS: &[Preset] = &[
    preset!("circles-quick", "two circles where you want them: radii and centres"),
    preset!("circle-square-quick", "a circle and a square: areas and centres"),
    preset!("two-phase-quick", "phases that separate: volume fraction and two-point correlation"),
    preset!("two-phase-p1-quick", "phases that separate: volume fraction"),
    preset!("two-phase-p2-quick", "phases that separate: two-point correlation"),
    preset!("polycrystal-quick", "grains of five orientations: fraction of each"),
    preset!("polycrystal-size-quick", "grains of five orientations: fractions and size of the grains"),
    preset!("circles-wgan-gp-quick", "two circles by WGAN-GP, which is told nothing: a baseline"),
    preset!("circles-cgan-quick", "two circles by a conditional GAN: a baseline"),
    preset!("circles-acgan-quick", "two circles by AC-GAN: a baseline"),
    preset!("two-phase-stinis-quick", "phases by the approach of Stinis et al.: a baseline"),
    preset!("circles-128", "two circles, 128 x 128: radii and centres"),
    preset!("circle-square-128", "a circle and a square, 128 x 128: areas and centres"),
    preset!("two-phase-128", "phases, 128 x 128: volume fraction and two-point correlation"),
    preset!("two-phase-p1-128", "phases, 128 x 128: volume fraction"),
    preset!("two-phase-p2-128", "phases, 128 x 128: two-point correlation"),
    preset!("polycrystal-128", "grains of five orientations, 128 x 128: fraction of each"),
    preset!("circles", "two circles, 128 x 128, with the paper's settings"),
    preset!("circle-square", "a circle and a square, 128 x 128"),
    preset!("two-phase", "phases that separate, 128 x 128: first and second moment together"),
    preset!("two-phase-p1", "phases that separate, 128 x 128: volume fraction"),
    preset!("two-phase-p2", "phases that separate, 128 x 128: two-point correlation"),
    preset!("polycrystal", "grains of five orientations, 128 x 128"),
    preset!("circles-wgan-gp", "two circles, 128 x 128, by WGAN-GP: a baseline"),
    preset!("circles-cgan", "two circles, 128 x 128, by a conditional GAN: a baseline"),
    preset!("circles-acgan", "two circles, 128 x 128, by AC-GAN: a baseline"),
    preset!("two-phase-stinis", "phases, 128 x 128, by the approach of Stinis et al.: a baseline"),
];
