//! Flips, one by one and all together.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::close::Tolerances;
use crate::close::fields::{Noise, argmax, shared};
use crate::close::goal::{Goal, follow};
use crate::data::lattice::Lattice;
use crate::invariance::Ask;
use crate::rng;
use crate::train::Task;
use crate::train::dataset::measured;

/// Pieces of both classes, 4-connected, on a torus.
fn pieces(map: &[u8], side: usize) -> usize {
    let mut seen = vec![false; map.len()];
    let mut count = 0;
    for start in 0..map.len() {
        let mut open = vec![start];
        count += usize::from(!seen[start]);
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let [y, x] = [at / side, at % side];
            let beside = [[y + 1, x], [y + side - 1, x], [y, x + 1], [y, x + side - 1]];
            let beside = beside.map(|[y, x]| y % side * side + x % side);
            open.extend(beside.into_iter().filter(|&to| map[to] == map[at]));
        }
    }
    count
}

#[test]
fn exchanges_meet_a_curve_and_a_fraction_and_keep_all_pieces() {
    let images = Images { size: [48, 48], classes: 2, border: Border::Periodic };
    let mut curve = Ask::new("correlation").unwrap();
    curve.options_mut().set("bins", toml::Value::Integer(12)).unwrap();
    let task = Task::asked(&[Ask::new("fraction").unwrap(), curve], images, "test").unwrap();
    for index in 0..4 {
        let wave = |r: u32| (-f64::from(r * r) / 40.0).exp();
        let fields = Noise::new(&images, 12, 1, index).fields(&vec![(0..12).map(wave).collect(); 2]);
        let logits = shared(&fields, &[0.6, 0.4]);
        let map = argmax(&logits, 2);
        let soft: Vec<f32> = logits
            .chunks(2)
            .flat_map(|l| [l[0] - l[1], l[1] - l[0]].map(|d| 1.0 / (1.0 + (-d).exp()) as f32))
            .collect();
        // What is asked for is to be had: the class grows here and shrinks there, by whole pieces' pixels.
        let mut other = Pixels::new(task.properties(), &images, &map, &soft, &[0.0; 13], &[1.0; 13]).unwrap();
        let mut done = 0;
        for word in (0..500).flat_map(|block| rng::philox(&rng::state(9), index as u32, block)) {
            let at = rng::index(word, 48 * 48) as usize;
            let from = u8::from(done % 3 == 0);
            let flip = Flip { at, from, to: 1 - from };
            if done < 60 && other.map[at] == from && other.made(&[flip], |_| true) {
                done += 1;
            }
        }
        assert_eq!(done, 60);
        let asked = measured(&task, &other.into_map()).unwrap();
        let tolerance = Tolerances::usual(&task).of(&asked, &task);
        let goal = Goal::new(&asked, tolerance, &follow(&task), &task);
        let before = goal.miss(&measured(&task, &map).unwrap(), &task);
        let mut pixels =
            Pixels::new(task.properties(), &images, &map, &soft, &goal.target, &goal.reach).unwrap();
        let flips = pixels.settle(map.len() / 5, &|| false);
        let after = pixels.into_map();
        let found = measured(&task, &after).unwrap();
        let miss = goal.miss(&found, &task);
        assert!(before.worst > 20.0 && miss.worst < 2.0, "{before:?} {miss:?}");
        assert!((found[0] - asked[0]).abs() < 1e-6, "{} {}", found[0], asked[0]);
        assert_eq!(pieces(&after, 48), pieces(&map, 48));
        let changed = after.iter().zip(&map).filter(|(a, b)| a != b).count();
        assert!(changed <= flips && flips <= map.len() / 5, "{changed} {flips}");
    }
}

#[test]
fn a_flip_keeps_all_pieces_and_does_what_is_expected_of_it() {
    for (border, size) in [(Border::Periodic, [9, 12]), (Border::Open, [12, 9])] {
        let images = Images { size, classes: 3, border };
        let [h, w] = size;
        let lattice = Lattice { height: h, width: w, periodic: border == Border::Periodic };
        let asks = ["fractions", "interface"].map(|name| Ask::new(name).unwrap());
        let task = Task::asked(&asks, images, "test").unwrap();
        let fields = Noise::new(&images, 4, 1, 0).fields(&vec![vec![1.0, 0.6, 0.2, 0.1]; 3]);
        let logits = shared(&fields, &[0.4, 0.35, 0.25]);
        let (map, soft) = (argmax(&logits, 3), vec![1.0 / 3.0; 3 * h * w]);
        let (target, reach) = ([0.5, 0.3, 0.2, 0.4], [0.01, 0.02, 0.03, 0.1]);
        let mut pixels = Pixels::new(task.properties(), &images, &map, &soft, &target, &reach).unwrap();
        let unlike = |map: &[u8]| -> usize {
            let beside = |at: usize| lattice.edge_neighbours(at).filter(|&to| map[to] != map[at]).count();
            (0..map.len()).map(beside).sum::<usize>() / 2
        };
        let distance = |map: &[u8]| -> f64 {
            let found = task.normalised(&measured(&task, map).unwrap());
            let errors =
                found.iter().zip(target).zip(&pixels.weight).map(|((m, t), weight)| (m - t) * weight);
            errors.map(|e| e * e).sum()
        };
        let count = |map: &[u8]| lattice.pieces(map).into_iter().max();
        let candidates = pixels.candidates();
        for Candidate { flip, fall, longer, .. } in &candidates {
            let mut flipped = map.clone();
            assert_eq!(std::mem::replace(&mut flipped[flip.at], flip.to), flip.from);
            assert_eq!(count(&flipped), count(&map), "{border:?}: {flip:?}");
            assert_eq!(
                unlike(&flipped) as i64 - unlike(&map) as i64,
                i64::from(*longer),
                "{border:?}: {flip:?}"
            );
            let wanted = distance(&map) - distance(&flipped);
            // What is measured comes in single precision.
            assert!((fall - wanted).abs() < 1e-4 * distance(&map), "{border:?}: {flip:?}: {fall} {wanted}");
        }
        // Of a straight edge every pixel may change sides.
        let halves: Vec<u8> = (0..h * w).map(|at| u8::from(at % w >= w / 2)).collect();
        let of = Pixels::new(task.properties(), &images, &halves, &soft, &target, &reach).unwrap();
        let edges = if border == Border::Periodic { 2 } else { 1 };
        let found = of.candidates();
        assert_eq!(found.len(), 2 * edges * h, "{border:?}");
        assert!(found.iter().all(|c| c.flip.from == halves[c.flip.at] && c.flip.to == 1 - c.flip.from));

        // Nothing is left of what is not accepted.
        let (flip, sums) = (candidates[0].flip, pixels.sums.clone());
        assert!(!pixels.made(&[flip, flip], |_| true) && !pixels.made(&[flip], |_| false));
        assert_eq!(pixels.map, map);
        assert!(pixels.sums.iter().zip(&sums).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
