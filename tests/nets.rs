//! What the networks' geometry promises: latent maps of any size, and images that go round.

#![allow(clippy::unwrap_used)]

use invnet::device::Cpu;
use invnet::gradcheck::numbers;
use invnet::nn::{self, Downsampling, Family, Init, Net, Norm, Weights};
use invnet::op::Border;
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::Tape;

const NOISE: usize = 3;
const R: [f64; 2] = [0.3, -0.8];

fn net(family: Family, size: [usize; 2], border: Border) -> Net {
    Net { border, latent_map: true, ..Net::new(family, size, 2, 3) }
}

/// Logits `[H, W, 3]` of one latent map `[BH, BW, NOISE]`, and their size.
fn image(net: &Net, grid: [usize; 2], z: &[f64]) -> (Vec<f64>, [usize; 2]) {
    let input = NOISE + R.len();
    let mut store = Store::new(Cpu::<f64>::new());
    let mut named = Vec::new();
    for (i, p) in nn::generator_parameters(net, input).iter().enumerate() {
        let scale = match p.init {
            Init::Constant(_) => 0.5,
            Init::Normal(deviation) => 2.0 * deviation,
        };
        let values: Vec<f64> = numbers(i as u64, p.shape.numel()).iter().map(|v| v * scale).collect();
        named.push((p.name.clone(), store.add_real(&p.name, p.shape, &values).unwrap()));
    }
    for (name, shape) in nn::generator_statistics(net, input) {
        let half = shape.numel() / 2;
        let values: Vec<f64> = (0..2 * half).map(|i| if i < half { 0.1 } else { 0.7 }).collect();
        named.push((name.clone(), store.add_real(&name, shape, &values).unwrap()));
    }
    let z = store.add_real("z", [1, grid[0], grid[1], NOISE], z).unwrap();
    let r = store.add_real("r", [1, R.len()], &R).unwrap();
    let tape = Tape::new();
    let weights = Weights::new(named.into_iter().map(|(name, leaf)| (name, store.var(&tape, leaf))));
    let input = nn::generator_input(net, store.var(&tape, z), store.var(&tape, r));
    let logits = nn::generator(net, &weights, input, &Norm::Running);
    let shape = logits.shape();
    assert_eq!((shape[0], shape[3]), (1, 3));
    let plan = Plan::new(&tape, &[logits], &store);
    plan.run(&mut store).unwrap();
    (plan.read(&mut store, 0).unwrap(), [shape[1], shape[2]])
}

/// The pixels of a field `[H, W, C]` moved down and right on a torus.
fn moved(field: &[f64], [h, w]: [usize; 2], [down, right]: [usize; 2]) -> Vec<f64> {
    let channels = field.len() / (h * w);
    let pixel =
        |y: usize, x: usize| &field[((y + h - down) % h * w + (x + w - right) % w) * channels..][..channels];
    (0..h).flat_map(|y| (0..w).flat_map(move |x| pixel(y, x).to_vec())).collect()
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn latent(seed: u64, [h, w]: [usize; 2]) -> Vec<f64> {
    numbers(seed, h * w * NOISE)
}

#[test]
fn moving_a_latent_map_by_cells_moves_a_periodic_image() {
    for family in Family::ALL {
        for (size, border) in
            [([32, 32], Border::Periodic), ([24, 40], Border::Periodic), ([32, 32], Border::Open)]
        {
            let net = net(family, size, border);
            let nn::Base { grid, levels } = net.base();
            let z = latent(1, grid);
            let (still, extents) = image(&net, grid, &z);
            assert_eq!(extents, size);
            let (after, _) = image(&net, grid, &moved(&z, grid, [1, 2]));
            let off = difference(&after, &moved(&still, size, [1 << levels, 2 << levels]));
            match border {
                Border::Periodic => assert!(off < 1e-12, "{family:?} {size:?}: {off:.1e}"),
                // Zeros beyond the edges stay where they are.
                Border::Open => assert!(off > 1e-2, "{family:?} {size:?}: {off:.1e}"),
            }
        }
    }
}

/// The image `[16, 16, 3]` of a latent map, after one of the map repeated was seen to be the image repeated.
fn repeats(net: &Net) -> Vec<f64> {
    let small = latent(2, [4, 4]);
    let (tile, size) = image(net, [4, 4], &small);
    assert_eq!(size, [16, 16]);
    let cell = |y: usize, x: usize| &small[(y % 4 * 4 + x % 4) * NOISE..][..NOISE];
    let z: Vec<f64> = (0..32).flat_map(|y| (0..32).flat_map(move |x| cell(y, x).to_vec())).collect();
    let (large, size) = image(net, [32, 32], &z);
    assert_eq!(size, [128, 128]);
    let pixel = |y: usize, x: usize| &tile[(y % 16 * 16 + x % 16) * 3..][..3];
    let tiled: Vec<f64> = (0..128).flat_map(|y| (0..128).flat_map(move |x| pixel(y, x).to_vec())).collect();
    let off = difference(&large, &tiled);
    assert!(off < 1e-12, "{net:?}: {off:.1e}");
    tile
}

#[test]
fn a_generator_of_latent_maps_makes_images_of_any_size() {
    for family in Family::ALL {
        let net = net(family, [16, 16], Border::Periodic);
        // A map that repeats gives an image that repeats: the weights are the same everywhere, and so is what
        // the numbers asked for make of features.
        let [plain, modulated] = [0, R.len()].map(|modulated| repeats(&Net { modulated, ..net }));
        assert!(difference(&plain, &modulated) > 1e-2, "{family:?}");
        // One that does not gives one that does not.
        let (other, _) = image(&net, [5, 9], &latent(3, [5, 9]));
        assert_eq!(other.len(), 20 * 36 * 3);
        assert!(difference(&other, &moved(&other, [20, 36], [0, 16])) > 1e-2, "{family:?}");
    }
}

#[test]
fn the_condition_is_the_same_in_every_cell() {
    let tape = Tape::new();
    let net = net(Family::Resize, [16, 16], Border::Periodic);
    let (z, r) = (tape.fill(0.0, [2, 3, 5, NOISE]), tape.fill(0.0, [2, 4]));
    assert_eq!(nn::generator_input(&net, z, r).shape(), Shape::from([2, 3, 5, NOISE + 4]));
    let z = tape.fill(0.0, [2, NOISE]);
    assert_eq!(nn::generator_input(&net, z, r).shape(), Shape::from([2, NOISE + 4]));
}

/// The last numbers of the first cell's noise are everywhere, those of the other cells nowhere.
#[test]
fn cells_share_the_end_of_the_noise() {
    for (family, modulated) in Family::ALL.into_iter().flat_map(|family| [(family, 0), (family, R.len() + 1)])
    {
        let net = Net { shared: 1, modulated, ..net(family, [48, 48], Border::Periodic) };
        let grid = net.base().grid;
        let z = latent(4, grid);
        let with = |cell: usize, number: usize| {
            let mut z = z.clone();
            z[cell * NOISE + number] += 1.0;
            image(&net, grid, &z).0
        };
        let (plain, last) = (image(&net, grid, &z).0, NOISE - 1);
        assert_eq!(difference(&plain, &with(7, last)), 0.0, "{family:?}: another cell's");
        let [mine, shared] = [with(0, 0), with(0, last)];
        let changed = |image: &[f64]| {
            let different = |(a, b): (&[f64], &[f64])| difference(a, b) > 1e-9;
            plain.chunks(3).zip(image.chunks(3)).filter(|&pair| different(pair)).count()
        };
        let (all, own) = (changed(&shared), changed(&mine));
        assert!(2 * all > 48 * 48 && own < all, "{family:?} {modulated}: {all} and {own} pixels");
    }
}

#[test]
#[should_panic(expected = "a generator's input")]
fn a_map_is_refused_by_a_network_of_one_vector_an_image() {
    let tape = Tape::new();
    let net = Net::new(Family::Dcgan, [16, 16], 1, 2);
    let names = nn::generator_parameters(&net, 3);
    let weights = Weights::new(names.iter().map(|p| (p.name.clone(), tape.fill(0.0, p.shape))));
    let _ = nn::generator(&net, &weights, tape.fill(0.0, [1, 4, 4, 3]), &Norm::Running);
}

#[test]
#[should_panic(expected = "101 x 101: networks make")]
fn a_size_without_a_base_is_refused() {
    let _ = nn::critic_parameters(&Net::new(Family::Dcgan, [101, 101], 1, 2));
}

/// A critic that pools is, behind its first layer, convolutions at every pixel and means of what they find.
#[test]
fn a_pooled_critic_takes_means() {
    for family in [Family::Dcgan, Family::Resize] {
        let net = Net { downsampling: Downsampling::Pooled, ..Net::new(family, [16, 16], 2, 3) };
        let mut store = Store::new(Cpu::<f64>::new());
        let parameters = nn::critic_parameters(&net);
        let side = |name: &str| parameters.iter().find(|p| p.name == name).unwrap().shape[0];
        assert_eq!([side("conv0.w"), side("conv1.w")], [4, 3]);
        let mut add = |(i, p): (usize, &nn::Parameter)| {
            store.add_real(&p.name, p.shape, &numbers(i as u64, p.shape.numel())).unwrap()
        };
        let leaves: Vec<_> = parameters.iter().enumerate().map(&mut add).collect();
        let x = store.add_real("x", [2, 16, 16, 3], &numbers(9, 2 * 16 * 16 * 3)).unwrap();
        let tape = Tape::new();
        let names = parameters.iter().map(|p| p.name.clone());
        let weights = Weights::new(names.zip(leaves.iter().map(|&leaf| store.var(&tape, leaf))));
        let x = store.var(&tape, x);
        let first = x.conv(weights.get("conv0.w"), [2, 2], [1, 1], net.border) + weights.get("conv0.b");
        let fine = first.leaky_relu(0.2).conv(weights.get("conv1.w"), [1, 1], [1, 1], net.border);
        let wanted = (fine.mean_pool(2) + weights.get("conv1.b")).leaky_relu(0.2).reshape([2, 4 * 4 * 4]);
        let plan = Plan::new(&tape, &[nn::critic_features(&net, &weights, x), wanted], &store);
        plan.run(&mut store).unwrap();
        let [found, wanted] = [0, 1].map(|i| plan.read(&mut store, i).unwrap());
        assert!(found.iter().zip(&wanted).all(|(f, w)| (f - w).abs() < 1e-12), "{family:?}");
    }
}

#[test]
fn a_critic_is_told_how_much_the_images_of_a_group_differ() {
    for family in Family::ALL {
        let told = Net { minibatch_std: 2, ..Net::new(family, [32, 16], 2, 3) };
        let mut store = Store::new(Cpu::<f64>::new());
        let parameters = nn::critic_parameters(&told);
        let leaves: Vec<_> = parameters
            .iter()
            .enumerate()
            .map(|(i, p)| {
                (
                    p.name.clone(),
                    store.add_real(&p.name, p.shape, &numbers(i as u64, p.shape.numel())).unwrap(),
                )
            })
            .collect();
        // Two alike, and two that are not.
        let image = |seed: u64| numbers(seed, 32 * 16 * 3);
        let images = [image(1), image(1), image(2), image(3)].concat();
        let x = store.add_real("x", [4, 32, 16, 3], &images).unwrap();
        let tape = Tape::new();
        let weights = Weights::new(leaves.into_iter().map(|(name, leaf)| (name, store.var(&tape, leaf))));
        let x = store.var(&tape, x);
        let features = nn::critic_features(&told, &weights, x);
        let alone = nn::critic_features(&Net { minibatch_std: 0, ..told }, &weights, x);
        let [count, plain] = [features, alone].map(|f| f.shape()[1]);
        assert_eq!(count, nn::critic_feature_count(&told));
        let plan = Plan::new(&tape, &[features, alone], &store);
        plan.run(&mut store).unwrap();
        let [features, alone] = [0, 1].map(|i| plan.read(&mut store, i).unwrap());
        let (channels, cells) = (count - plain, plain / (count - plain));
        assert_eq!(cells, told.base().grid.iter().product::<usize>(), "cells of a base grid");
        let mean = |row: usize, channel: usize| -> f64 {
            (0..cells).map(|cell| alone[row * plain + cell * channels + channel]).sum::<f64>() / cells as f64
        };
        for (row, channel) in (0..4).flat_map(|row| (0..channels).map(move |channel| (row, channel))) {
            let (first, off) = (row / 2 * 2, |a: f64, b: f64| (a - b).abs());
            let half = 0.5 * (mean(first, channel) - mean(first + 1, channel));
            let wanted = (half * half + 1e-8).sqrt();
            assert!(
                off(features[row * count + plain + channel], wanted) < 1e-9,
                "{family:?}: {row}, {channel}"
            );
            assert!((half.abs() < 1e-12) == (row < 2), "{family:?}: images alike");
        }
        for row in 0..4 {
            assert_eq!(features[row * count..][..plain], alone[row * plain..][..plain], "{family:?}");
        }
    }
}
