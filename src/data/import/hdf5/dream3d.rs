//! DREAM.3D: arrays over the cells of an image geometry, each slice along z an image.
//!
//! Version 6.5 (file version 7) keeps geometries in `/DataContainers`: `_SIMPL_GEOMETRY/DIMENSIONS`
//! counts cells along x, y and z, and arrays over the cells, `[z, y, x, C]`, lie in a group beside it.
//! DREAM3D-NX (file version 8) keeps them in `/DataStructure`: groups of the `ObjectType` ImageGeom
//! with the attribute `_DIMENSIONS`, and the arrays in a group within. In both, feature and phase
//! numbers count from 1, where 0 means none; Euler angles are Bunge's, in radians.

use std::f64::consts::TAU;

use hdf5_reader::group::Group;

use super::catalogue::{self, Entry};
use super::number::Whole;
use super::{Source, at, everything};
use crate::data::import::collect::{Collector, Values};
use crate::error::Result;

/// Arrays over cells that DREAM.3D itself makes, in the order of preference; both count from 1.
const PHASES: &str = "Phases";
const FEATURES: &str = "FeatureIds";
/// Groups of groups, at most.
const DEEPEST: usize = 16;

/// Reads an array over the cells of the file's image geometry.
pub(super) fn read(source: &Source, collector: &mut Collector) -> Result<()> {
    let options = collector.options;
    let (entry, [z, y, x]) = array(source, options.dataset.as_deref(), options.orientations.is_some())?;
    let dataset = source.dataset(entry)?;
    let components = entry.shape[3..].iter().product::<usize>();
    let angles = components == 3 && entry.name().contains("Euler");
    if components != 1 && !angles {
        return Err(source.refuse(entry, &format!("holds {components} numbers a cell: one is needed")));
    }
    if angles && options.orientations.is_none() {
        let problem = "holds three Euler angles a cell: give --orientations N for N classes of equal width in \
                       the first of them, phi1";
        return Err(source.refuse(entry, problem));
    }
    if options.orientations.is_none() && [PHASES, FEATURES].contains(&entry.name()) {
        collector.first = 1;
    }
    for i in 0..z {
        let selection = if z == 1 { everything(&entry.shape) } else { at(&entry.shape, 0, i) };
        let values = source.values(entry, &dataset, &selection)?;
        let values = match (options.orientations, values) {
            (Some(count), Values::Reals(values)) if angles => {
                let classes = bins(&values, count);
                Values::Classes(classes.map_err(|e| source.refuse(entry, &format!("slice {i} {e}")))?)
            }
            (_, values) => values,
        };
        collector.push(&source.picture(entry, i, [y, x], values))?;
    }
    Ok(())
}

/// The class of every cell by its first Euler angle: `count` bins of equal width from 0 to 2 pi. That
/// takes no symmetry of the crystal into account.
fn bins(angles: &[f64], count: usize) -> std::result::Result<Vec<u8>, String> {
    let first = angles.as_chunks::<3>().0.iter().map(|[phi1, ..]| *phi1);
    let bin = |phi1: f64| {
        // A little more than a turn either way is rounding; degrees are not.
        if !(-TAU - 1e-3..=TAU + 1e-3).contains(&phi1) {
            return Err(format!("has an angle phi1 of {phi1}: radians from 0 to 2 pi are needed"));
        }
        let turn = phi1.rem_euclid(TAU) / TAU;
        Ok(((turn * count as f64) as usize).min(count - 1) as u8)
    };
    first.map(bin).collect()
}

/// The array asked for, or the one to take, and its cells along z, y and x.
fn array<'a>(source: &'a Source, asked: Option<&str>, grains: bool) -> Result<(&'a Entry, [usize; 3])> {
    let mut found: Vec<(&Entry, [usize; 3])> = Vec::new();
    for (group, cells) in geometries(source)? {
        let within = |e: &&Entry| {
            e.path.strip_prefix(&group).is_some_and(|rest| rest.contains('/'))
                && e.shape.get(..3) == Some(&cells)
        };
        found.extend(source.entries.iter().filter(within).map(|entry| (entry, cells)));
    }
    let all: Vec<&Entry> = found.iter().map(|f| f.0).collect();
    let named = |name: &str| all.iter().any(|e| e.name() == name);
    let preferred = if grains { [FEATURES, FEATURES] } else { [PHASES, FEATURES] };
    let wanted = match asked {
        Some(asked) => asked,
        None => preferred.into_iter().find(|name| named(name)).unwrap_or(preferred[0]),
    };
    if !all.iter().any(|e| e.is_named(wanted)) {
        let wanted =
            if asked.is_some() || grains { wanted.into() } else { format!("{PHASES} or {FEATURES}") };
        return Err(source.error(&format!(
            "has no array {wanted} over the cells of an image geometry; there are: {}",
            catalogue::list(all.iter().copied())
        )));
    }
    let entry = source.named(wanted, &all)?;
    let cells = found.iter().find(|f| f.0.path == entry.path).map_or([0; 3], |f| f.1);
    if cells.contains(&0) {
        return Err(source.refuse(entry, "is empty"));
    }
    let [_, y, x] = cells;
    if y.checked_mul(x).is_none_or(|n| n > crate::data::import::MOST_PIXELS) {
        return Err(source.refuse(entry, &format!("has slices of {y} x {x} cells, which is too large")));
    }
    Ok((entry, cells))
}

/// Image geometries: the path of each, ended by `/`, and its cells along z, y and x.
fn geometries(source: &Source) -> Result<Vec<(String, [usize; 3])>> {
    let mut found = Vec::new();
    for entry in &source.entries {
        if let Some(container) = entry.path.strip_suffix("_SIMPL_GEOMETRY/DIMENSIONS") {
            let dimensions = source.values(entry, &source.dataset(entry)?, &everything(&entry.shape))?;
            let Values::Integers(numbers) = dimensions else {
                return Err(source.refuse(entry, "must hold integers"));
            };
            let cells = cells(&numbers).ok_or_else(|| source.refuse(entry, "must hold three numbers"))?;
            found.push((container.to_owned(), cells));
        }
    }
    if let Ok(root) = source.file.group("DataStructure") {
        let mut open = vec![(root, "DataStructure/".to_owned(), 0)];
        while let Some((group, path, depth)) = open.pop() {
            if let Some(cells) = nx_geometry(&group) {
                found.push((path, cells));
                continue;
            }
            for name in group.member_names().map(|m| m.0).unwrap_or_default() {
                if let Ok(inner) = group.group(&name)
                    && depth < DEEPEST
                {
                    open.push((inner, format!("{path}{name}/"), depth + 1));
                }
            }
        }
    }
    Ok(found)
}

/// The cells of a group of DREAM3D-NX, if it is an image geometry.
fn nx_geometry(group: &Group) -> Option<[usize; 3]> {
    let kind = group.attribute("ObjectType").ok()?.read_string().ok()?;
    if !kind.starts_with("ImageGeom") {
        return None;
    }
    let numbers = group.attribute("_DIMENSIONS").ok()?.read_1d::<Whole>().ok()?;
    cells(&numbers.iter().map(|n| n.0).collect::<Vec<_>>())
}

/// z, y, x from x, y, z.
fn cells(numbers: &[i64]) -> Option<[usize; 3]> {
    let &[x, y, z] = numbers else { return None };
    Some([usize::try_from(z).ok()?, usize::try_from(y).ok()?, usize::try_from(x).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_go_round_and_degrees_are_refused() {
        let classes =
            |angles: &[f64]| bins(&angles.iter().flat_map(|&phi1| [phi1, 9.0, 9.0]).collect::<Vec<_>>(), 4);
        assert_eq!(classes(&[0.0, 1.0, 2.0, 4.0, 6.0, -1.0]), Ok(vec![0, 0, 1, 2, 3, 3]));
        // Rounding at both ends.
        assert_eq!(classes(&[TAU, TAU + 5e-4, -TAU, -TAU - 5e-4, -1e-300]), Ok(vec![0, 0, 0, 3, 3]));
        for wrong in [90.0, -90.0, f64::NAN] {
            let problem = classes(&[0.0, wrong]).err().unwrap_or_default();
            assert!(problem.contains(&format!("phi1 of {wrong}: radians")), "{problem}");
        }
    }
}
