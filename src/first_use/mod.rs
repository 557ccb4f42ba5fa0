//! A card's fast kernels, judged before their first use there.
//!
//! Kernels for tensor cores and for few channels rest on what hardware does with fragments and copies, and have
//! portable ones beside them. Before a plan or a launch on a card first takes one, it computes a small product
//! that is compared with double precision, within the bound of the proof of a device. What was found is kept by
//! card, driver, source and compiler. A kernel that is wrong is not used, and a checkpoint names it, so that a
//! run goes on with the kernels that it has. Of several that are right, those that the model holds to be about as fast are
//! timed where they are first used, and the fastest is kept in the same way.

mod choices;
pub mod products;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use crate::device::gpu::cuda::{Cuda, cache};
use crate::device::gpu::dry::Limits;
use crate::device::gpu::watch::Watch;
use crate::device::gpu::{Gpu, Launcher, Precision, is_fast};
use crate::device::{Device, Kind};
use crate::error::Result;
use choices::Kept;
use products::Product;

/// Multiprocessors by which tiles are chosen so that products reach every kernel: few, and many.
const SIZES: [u32; 2] = [4, 132];
/// The first architecture with tensor cores that kernels use.
const OLDEST: u32 = 80;

/// The device; if it is a card, its fast kernels are judged before their first use.
///
/// # Errors
/// As [`Kind::open`].
pub fn open(kind: Kind, precision: Precision) -> Result<Box<dyn Device>> {
    let Kind::Cuda(ordinal) = kind else { return kind.open(precision) };
    Ok(Box::new(judged(ordinal, precision)?))
}

/// The same for a training: products are timed on a card as well.
///
/// # Errors
/// As [`Kind::open`].
pub fn open_timed(kind: Kind, precision: Precision) -> Result<Box<dyn Device>> {
    match kind {
        Kind::Cuda(ordinal) if choices::wanted() => {
            Ok(Box::new(judged(ordinal, precision)?.timed(Box::new(Kept::of(ordinal)))))
        }
        kind => open(kind, precision),
    }
}

fn judged(ordinal: usize, precision: Precision) -> Result<Gpu<Cuda>> {
    let cuda = Cuda::new(ordinal)?;
    let limits =
        Limits { multiprocessors: cuda.multiprocessors(), shared: cuda.shared_limit(), arch: cuda.arch() };
    let bench =
        Bench { ordinal, limits, cases: BTreeMap::from(Precision::ALL.map(|p| (p, OnceCell::new()))) };
    Ok(Gpu::new(cuda, precision).judged(Box::new(move |kernel| bench.holds(kernel))))
}

/// What a kernel multiplies, by its name.
fn precision_of(kernel: &str) -> Precision {
    let named = |precision: &Precision| kernel.contains(&format!("_{}_", precision.name()));
    Precision::ALL.into_iter().find(named).unwrap_or_default()
}

/// A product that reaches a kernel, where tiles are chosen as for so many multiprocessors and kernels as for such an
/// architecture: the kernels of earlier ones stand in for a later one's own.
type Case = (Product, [u32; 2]);

/// Where the kernels of a card are tried.
struct Bench {
    ordinal: usize,
    limits: Limits,
    /// The first case of each fast kernel, by its precision.
    cases: BTreeMap<Precision, OnceCell<BTreeMap<&'static str, Case>>>,
}

impl Bench {
    /// Whether a kernel is right; if not, it is said.
    fn holds(&self, kernel: &'static str) -> bool {
        let device = Kind::Cuda(self.ordinal);
        match self.share(kernel) {
            Ok(share) if share <= 1.0 => true,
            Ok(share) => {
                say_once(format!(
                    "{device}: kernel {kernel} is wrong on this card, {share:.3} times what rounding allows: another \
                     one computes in its place; see invnet devices --prove"
                ));
                false
            }
            Err(error) => {
                say_once(format!(
                    "{device}: kernel {kernel} cannot be compared ({error}): another one computes in its place"
                ));
                false
            }
        }
    }

    /// The error of a kernel as a part of what is allowed, from its case or as it was found before.
    fn share(&self, kernel: &'static str) -> Result<f64> {
        let cuda = Cuda::new(self.ordinal)?;
        let mut key = cuda.circumstances(kernel);
        key.insert(0, kernel.to_owned());
        if let Some(share) = cache::recall(kernel, &key) {
            return Ok(share);
        }
        let precision = precision_of(kernel);
        let cases = self.cases[&precision].get_or_init(|| cases(self.limits, precision).unwrap_or_default());
        // Tests hold that every fast kernel has a case.
        let Some((product, [multiprocessors, arch])) = cases.get(kernel) else { return Ok(0.0) };
        let (watch, _) = Watch::new(Box::new(cuda), Some(*multiprocessors));
        let device = Box::new(Gpu::new(watch.of_arch(*arch), precision));
        let share = product.share(&product.reference()?, device, precision)?;
        cache::remember(kernel, &key, share);
        Ok(share)
    }
}

/// Says something to whoever listens; what was said before, by another device that was opened, not again.
fn say_once(text: String) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().expect("no thread panics while it holds this");
    if !said.contains(&text) {
        log::warn!("{text}");
        said.insert(text);
    }
}

/// A case of every fast kernel of a precision, the one with least to do.
fn cases(limits: Limits, precision: Precision) -> Result<BTreeMap<&'static str, Case>> {
    let mut products = products::list();
    products.sort_by_key(Product::multiplications);
    let mut all = BTreeMap::new();
    for product in products {
        for (multiprocessors, arch) in
            SIZES.into_iter().flat_map(|size| [limits.arch, OLDEST].map(|arch| (size, arch)))
        {
            let arch = arch.min(limits.arch);
            let kernels = product.kernels(Limits { multiprocessors, arch, ..limits }, precision)?;
            for kernel in kernels.into_iter().filter(|kernel| is_fast(kernel)) {
                all.entry(kernel).or_insert((product, [multiprocessors, arch]));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::gpu::launch::FAMILIES;

    #[test]
    fn every_fast_kernel_has_a_case() {
        let limits = Limits { multiprocessors: 132, shared: 227 << 10, arch: 90 };
        let of = |precision| cases(limits, precision).unwrap();
        let cases = BTreeMap::from(Precision::ALL.map(|precision| (precision, of(precision))));
        let all = FAMILIES.iter().flat_map(|family| family.kernels).map(|kernel| kernel.name);
        let fast: Vec<&str> = all.filter(|name| is_fast(name)).collect();
        assert!(fast.len() > 20, "{fast:?}");
        for kernel in fast {
            assert!(cases[&precision_of(kernel)].contains_key(kernel), "{kernel} is never compared");
        }
    }
}
