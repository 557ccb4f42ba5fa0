//! What a straight line meets: lineal path and chords.
//!
//! Lines are the rows and the columns of the image. (B. Lu, S. Torquato: Lineal-path function for
//! random heterogeneous materials. Physical Review A 45 (1992), 922-929; S. Torquato, Random
//! Heterogeneous Materials, 2002, sections 2.4 and 2.5.)

/// Pixels of one class that follow each other on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Number of pixels.
    length: usize,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Another class on both sides.
    Interface,
    /// The border of the image on a side or both.
    Border,
    /// None: a periodic line that lies wholly in the class.
    Ring,
}

/// Calls `found` with every run of `class` on every row and column.
fn each_run(map: &[u8], h: usize, w: usize, class: u8, periodic: bool, mut found: impl FnMut(Run)) {
    let mut line = Vec::with_capacity(h.max(w));
    for y in 0..h {
        line.clear();
        line.extend(map[y * w..(y + 1) * w].iter().map(|&c| c == class));
        runs_of_line(&line, periodic, &mut found);
    }
    for x in 0..w {
        line.clear();
        line.extend(map[x..].iter().step_by(w).map(|&c| c == class));
        runs_of_line(&line, periodic, &mut found);
    }
}

fn runs_of_line(line: &[bool], periodic: bool, found: &mut impl FnMut(Run)) {
    let n = line.len();
    // A periodic line is read from a pixel of another class, so that no run is cut in two.
    let first = match line.iter().position(|inside| !inside) {
        Some(first) if periodic => first,
        None if periodic => return found(Run { length: n, end: End::Ring }),
        _ => 0,
    };
    let mut length = 0;
    for i in 0..n {
        if line[(first + i) % n] {
            length += 1;
        } else {
            if length > 0 {
                let end = if i == length && !periodic { End::Border } else { End::Interface };
                found(Run { length, end });
            }
            length = 0;
        }
    }
    if length > 0 {
        found(Run { length, end: if periodic { End::Interface } else { End::Border } });
    }
}

/// The lineal path function L(r), r = 0..bins: the share of the segments of length r along rows and
/// columns that lie wholly in `class`.
///
/// A segment of length r joins the centres of two pixels r apart, so it has r + 1 pixels and L(0) is
/// the fraction of the class, as in the two-point functions. All segments count the same; on a
/// periodic map they may pass the border, otherwise only those on the image exist.
///
/// # Panics
/// If `map` does not have `h * w` pixels, or if `bins` is more than the shorter side.
#[must_use]
#[track_caller]
pub fn lineal_path(map: &[u8], h: usize, w: usize, class: u8, periodic: bool, bins: usize) -> Vec<f64> {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    assert!(bins <= h.min(w), "{bins} lengths on lines of {h} and {w} pixels");
    let mut inside = vec![0_usize; bins];
    each_run(map, h, w, class, periodic, |run| {
        for (r, count) in inside.iter_mut().enumerate().take(run.length) {
            // A ring has a segment of each length from each of its pixels.
            *count += if run.end == End::Ring { run.length } else { run.length - r };
        }
    });
    let all = |r: usize| if periodic { 2 * h * w } else { h * (w - r) + w * (h - r) };
    inside.iter().enumerate().map(|(r, &count)| count as f64 / all(r) as f64).collect()
}

/// The lengths in pixels of the chords of `class`: the pieces, between two interfaces, that rows
/// and then columns have in the class.
///
/// A piece that ends at the border of an image that is not periodic has no known length and is left
/// out, which makes long chords somewhat rarer; so is a periodic line that lies wholly in the class.
///
/// # Panics
/// If `map` does not have `h * w` pixels.
#[must_use]
#[track_caller]
pub fn chords(map: &[u8], h: usize, w: usize, class: u8, periodic: bool) -> Vec<usize> {
    assert_eq!(map.len(), h * w, "class map of {h} x {w} with {} pixels", map.len());
    let mut lengths = Vec::new();
    each_run(map, h, w, class, periodic, |run| {
        if run.end == End::Interface {
            lengths.push(run.length);
        }
    });
    lengths
}
