//! Random numbers as a function of a counter: Philox 4x32-10.
//!
//! Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11. A number depends on the
//! seed, the step, a stream and its own index, never on who computes it or in which order; the
//! whole state is three words: the two halves of the seed and the step. Only additions,
//! multiplications, divisions and roots of IEEE 754 are used, unfused, so that every device gives
//! the same bits.

/// The state as stored on a device: seed low, seed high, step.
pub const STATE_WORDS: usize = 3;

/// The initial state for a seed.
#[must_use]
pub fn state(seed: u64) -> [u32; STATE_WORDS] {
    [seed as u32, (seed >> 32) as u32, 0]
}

/// Four words for block `block` of `stream` at the state's step.
#[inline]
#[must_use]
pub fn philox(state: &[u32], stream: u32, block: u64) -> [u32; 4] {
    let mut key = [state[0], state[1]];
    let mut c = [block as u32, (block >> 32) as u32, stream, state[2]];
    for _ in 0..10 {
        let p0 = u64::from(c[0]) * 0xD251_1F53;
        let p1 = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(p1 >> 32) as u32 ^ c[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ key[1], p0 as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// Uniform on [0, 1) with 24 bits, exact in `f32`.
#[inline]
#[must_use]
pub fn unit(word: u32) -> f64 {
    f64::from(word >> 8) * (1.0 / 16_777_216.0)
}

/// Uniform below `below` (bias under 2^-32 times `below`).
#[inline]
#[must_use]
pub fn index(word: u32, below: u32) -> u32 {
    ((u64::from(word) * u64::from(below)) >> 32) as u32
}

/// Two independent standard normals from two words, rounded to `f32` (Box and Muller 1958).
#[inline]
#[must_use]
pub fn normal_pair(a: u32, b: u32) -> [f32; 2] {
    let radius = (-2.0 * ln_unit((f64::from(a) + 0.5) * (1.0 / 4_294_967_296.0))).sqrt();
    let (sin, cos) = sin_cos_turn(f64::from(b) * (1.0 / 4_294_967_296.0));
    [(radius * cos) as f32, (radius * sin) as f32]
}

/// The first `count` standard normals of a stream, as [`crate::op::Op::Normal`] gives them.
#[must_use]
pub fn normals(state: &[u32], stream: u32, count: usize) -> Vec<f32> {
    let mut all = vec![0.0; count];
    for (block, out) in all.chunks_mut(4).enumerate() {
        let [a, b, c, d] = philox(state, stream, block as u64);
        let values = [normal_pair(a, b), normal_pair(c, d)];
        out.copy_from_slice(&values.as_flattened()[..out.len()]);
    }
    all
}

/// Natural logarithm of a normal number in (0, 1]: ln m = 2 artanh((m - 1) / (m + 1)).
fn ln_unit(u: f64) -> f64 {
    let bits = u.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mut m = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    let mut e = exponent as f64;
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        e += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    // |s| <= 0.172: the first dropped term is below 1e-17.
    let mut sum = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * q + 1.0 / odd;
    }
    e * std::f64::consts::LN_2 + 2.0 * s * sum
}

/// Sine and cosine of t turns, t in [0, 1): Taylor series on an eighth of a turn either side of a
/// quarter.
fn sin_cos_turn(t: f64) -> (f64, f64) {
    let quarter = (4.0 * t + 0.5).floor();
    let x = (t - 0.25 * quarter) * std::f64::consts::TAU;
    let q = -(x * x);
    let (mut sin, mut cos) = (1.0, 1.0);
    for k in [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        sin = 1.0 + sin * q / ((2.0 * k) * (2.0 * k + 1.0));
        cos = 1.0 + cos * q / ((2.0 * k) * (2.0 * k - 1.0));
    }
    let sin = sin * x;
    match quarter as i64 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_matches_the_published_vectors() {
        // Random123's known-answer tests: counter and key all zeros, all ones, and digits of pi.
        assert_eq!(philox(&[0, 0, 0], 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let all = u32::MAX;
        assert_eq!(
            philox(&[all, all, all], all, u64::MAX),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(&[0xa409_3822, 0x299f_31d0, 0x0370_7344], 0x1319_8a2e, 0x85a3_08d3_243f_6a88),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn logarithm_and_circle_agree_with_the_standard_library() {
        for i in 0..10_000u32 {
            let u = (f64::from(i) + 0.5) / 10_000.0;
            assert!((ln_unit(u) - u.ln()).abs() <= 1e-14 * (1.0 + u.ln().abs()), "ln {u}");
            let (s, c) = sin_cos_turn(u);
            let (rs, rc) = (u * std::f64::consts::TAU).sin_cos();
            assert!((s - rs).abs() < 1e-14 && (c - rc).abs() < 1e-14, "turn {u}: {s} {rs} {c} {rc}");
        }
    }
}
