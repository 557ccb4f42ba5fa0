//! Orientations for grains: a graph colouring with given area fractions.
//!
//! Grains are the vertices of a graph, adjoining ones joined by an edge. Vertices are coloured in
//! the order of Brélaz, "New methods to color the vertices of a graph", Comm. ACM 22 (1979): the one
//! with most colours beside it first. Each takes, of the colours free to it, the one that lacks most
//! area. If none is free, exchanging two colours along a Kempe chain (the vertices of two colours
//! that are connected through each other) may free one. Chains also bring the fractions closer to
//! their targets afterwards: exchanging the colours of a whole chain keeps a colouring proper.

use rand::Rng;

/// Orders tried before colours are repeated along edges. A plane graph can be coloured with four
/// colours, but no fast method always finds such a colouring.
const ATTEMPTS: usize = 10;
/// Rounds over all grains that bring fractions closer to their targets.
const ROUNDS: usize = 40;

/// Colours `areas.len()` grains so that adjoining ones (`adjoining[g]` for grain `g`) differ and the
/// area fractions of the colours come close to `targets` `[K]`. Where no such colouring is found,
/// which is the rule for two or three colours, as few neighbours as possible share one.
///
/// # Panics
/// If there are more than 32 targets.
#[must_use]
#[track_caller]
pub fn colour(adjoining: &[Vec<u32>], areas: &[usize], targets: &[f64], rng: &mut impl Rng) -> Vec<u8> {
    assert!(targets.len() <= 32, "{} colours", targets.len());
    let total = areas.iter().sum::<usize>() as f64;
    let mut colouring = Colouring {
        adjoining,
        areas,
        colours: vec![NONE; areas.len()],
        targets: targets.iter().map(|target| target * total).collect(),
        excess: vec![],
    };
    // The largest first; later attempts mix the order of equally constrained grains.
    let mut rank: Vec<f64> = areas.iter().map(|&area| area as f64).collect();
    let mut found = false;
    for _ in 0..ATTEMPTS {
        found = colouring.fill(&rank, false);
        if found {
            break;
        }
        rank.iter_mut().for_each(|rank| *rank = rng.random());
    }
    if !found {
        colouring.fill(&rank, true);
    }
    colouring.balance();
    colouring.colours
}

/// Not yet coloured.
const NONE: u8 = u8::MAX;

struct Colouring<'a> {
    adjoining: &'a [Vec<u32>],
    areas: &'a [usize],
    colours: Vec<u8>,
    /// Wanted area of every colour, in pixels.
    targets: Vec<f64>,
    /// Area of every colour less the wanted one.
    excess: Vec<f64>,
}

impl Colouring<'_> {
    /// Colours all grains anew, of equally constrained ones that of the highest rank first. Whether a
    /// colour was free for each; if not, it stops there or, on request, repeats a colour.
    fn fill(&mut self, rank: &[f64], repeat: bool) -> bool {
        self.colours.fill(NONE);
        self.excess = self.targets.iter().map(|target| -target).collect();
        let mut proper = true;
        for _ in 0..rank.len() {
            let open = (0..rank.len()).filter(|&g| self.colours[g] == NONE);
            let saturation = |g: usize| self.beside(g).count_ones();
            let next = open.max_by(|&a, &b| {
                saturation(a).cmp(&saturation(b)).then(rank[a].total_cmp(&rank[b])).then(b.cmp(&a))
            });
            let Some(grain) = next else { break };
            if !self.has_free(grain) && !self.free_one(grain) {
                if !repeat {
                    return false;
                }
                proper = false;
            }
            // Fewest equal neighbours (none if a colour is free), then the colour that lacks most.
            let equal =
                |k: u8| self.adjoining[grain].iter().filter(|&&n| self.colours[n as usize] == k).count();
            let best = (0..self.targets.len() as u8).min_by(|&a, &b| {
                equal(a)
                    .cmp(&equal(b))
                    .then(self.excess[usize::from(a)].total_cmp(&self.excess[usize::from(b)]))
            });
            let best = best.unwrap_or(0);
            self.colours[grain] = best;
            self.excess[usize::from(best)] += self.areas[grain] as f64;
        }
        proper
    }

    /// The colours of a grain's neighbours, a bit for each.
    fn beside(&self, grain: usize) -> u32 {
        let colours = self.adjoining[grain].iter().map(|&n| self.colours[n as usize]);
        colours.filter(|&colour| colour != NONE).fold(0, |bits, colour| bits | 1 << colour)
    }

    fn has_free(&self, grain: usize) -> bool {
        (self.beside(grain).count_ones() as usize) < self.targets.len()
    }

    /// Tries to free a colour for a grain: exchanges colours a and b along the chains that start at
    /// its neighbours of colour a, if these chains hold none of its neighbours of colour b.
    fn free_one(&mut self, grain: usize) -> bool {
        let count = self.targets.len() as u8;
        for a in 0..count {
            for b in (0..count).filter(|&b| b != a) {
                let of = |k: u8| {
                    let beside = self.adjoining[grain].iter().map(|&n| n as usize);
                    beside.filter(|&n| self.colours[n] == k).collect::<Vec<_>>()
                };
                let chain = self.chain(&of(a), b);
                if of(b).iter().all(|n| !chain.contains(n)) {
                    self.exchange(&chain, a, b);
                    return true;
                }
            }
        }
        false
    }

    /// The grains connected to `starts`, which are of one colour, through that colour and `other`.
    fn chain(&self, starts: &[usize], other: u8) -> Vec<usize> {
        let mut chain = starts.to_vec();
        let Some(&first) = starts.first() else { return chain };
        let own = self.colours[first];
        let mut seen = vec![false; self.colours.len()];
        starts.iter().for_each(|&g| seen[g] = true);
        let mut next = 0;
        while next < chain.len() {
            for &n in &self.adjoining[chain[next]] {
                let n = n as usize;
                if !seen[n] && (self.colours[n] == own || self.colours[n] == other) {
                    seen[n] = true;
                    chain.push(n);
                }
            }
            next += 1;
        }
        chain
    }

    fn exchange(&mut self, chain: &[usize], a: u8, b: u8) {
        for &grain in chain {
            let (from, to) = if self.colours[grain] == a { (a, b) } else { (b, a) };
            self.colours[grain] = to;
            self.excess[usize::from(from)] -= self.areas[grain] as f64;
            self.excess[usize::from(to)] += self.areas[grain] as f64;
        }
    }

    /// Exchanges colours along chains as long as that lessens the sum of squared excesses.
    fn balance(&mut self) {
        for _ in 0..ROUNDS {
            let mut better = false;
            for grain in 0..self.colours.len() {
                for b in 0..self.targets.len() as u8 {
                    let a = self.colours[grain];
                    if a == b {
                        continue;
                    }
                    let chain = self.chain(&[grain], b);
                    let area = |g: usize| self.areas[g] as f64;
                    let moved: f64 =
                        chain.iter().map(|&g| if self.colours[g] == a { area(g) } else { -area(g) }).sum();
                    // (ea - m)^2 + (eb + m)^2 less ea^2 + eb^2, halved.
                    let change = moved * (self.excess[usize::from(b)] - self.excess[usize::from(a)] + moved);
                    // Gains below this are rounding and could be found again and again.
                    if change < -0.5 {
                        self.exchange(&chain, a, b);
                        better = true;
                    }
                }
            }
            if !better {
                break;
            }
        }
    }
}
