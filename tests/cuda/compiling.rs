//! Kernels through the real compiler, and the code that is kept.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use invnet::device::gpu::cuda::cache::Code;
use invnet::device::gpu::cuda::compile::compile;
use invnet::device::gpu::launch::{FAMILIES, Family};
use invnet::device::gpu::model::code::{self, Counts};

use crate::faults::fill_neg_exp;
use crate::{driver, scenario};

#[test]
fn a_compilation_is_kept_and_damage_repaired() {
    let test = "compiling::a_compilation_is_kept_and_damage_repaired";
    let folder = driver().join("kept");
    let settings = [("INVNET_CACHE", folder.to_str().unwrap())];
    let run = || scenario(test, &settings, || fill_neg_exp().unwrap());
    let files = || -> Vec<(PathBuf, u64)> {
        let files = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
        files.map(|f| (f.clone(), fs::metadata(&f).unwrap().ino())).collect()
    };
    if run().is_none() {
        return;
    }
    let first = files();
    assert_eq!(first.len(), 1, "one family was used: {first:?}");
    assert!(first[0].0.to_string_lossy().contains("elementwise-sm_80-"), "{first:?}");
    let whole = fs::read(&first[0].0).unwrap();
    run();
    // Who compiles writes a new file.
    assert_eq!(first, files(), "compiled again");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    for damaged in [&damaged[..], &whole[..100], &[]] {
        fs::write(&first[0].0, damaged).unwrap();
        run();
        assert_eq!(fs::read(&first[0].0).unwrap(), whole, "the damage stayed");
    }
    // A cache that cannot be written is done without.
    let file = first[0].0.to_str().unwrap();
    scenario(test, &[("INVNET_CACHE", file)], || fill_neg_exp().unwrap());
}

/// What a kernel takes of a multiprocessor, as far as the assembler's log says.
#[derive(Debug, Default)]
struct Resources {
    registers: Option<u32>,
    /// Bytes; not said of a kernel that has none.
    shared: Option<u32>,
    stack: Option<u32>,
    /// Bytes that are stored for want of registers, and that are loaded again.
    spilled: [Option<u32>; 2],
}

fn resources(log: &str) -> BTreeMap<String, Resources> {
    let mut all: BTreeMap<String, Resources> = BTreeMap::new();
    let mut kernel = String::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("entry function '") {
            kernel = rest.split('\'').next().unwrap().to_owned();
        }
        let words: Vec<&str> = line.split([' ', ',']).filter(|w| !w.is_empty()).collect();
        let before = |what: &[&str]| {
            let at = words.windows(what.len()).position(|w| w == what)?;
            words[at.checked_sub(1)?].parse::<u32>().ok()
        };
        let used = all.entry(kernel.clone()).or_default();
        used.registers = before(&["registers"]).or(used.registers);
        used.shared = before(&["bytes", "smem"]).or(used.shared);
        used.stack = before(&["bytes", "stack", "frame"]).or(used.stack);
        for (spilled, what) in used.spilled.iter_mut().zip(["stores", "loads"]) {
            *spilled = before(&["bytes", "spill", what]).or(*spilled);
        }
    }
    all
}

/// Nothing is spilled, and the log says so: one that says nothing does not count.
fn keeps_to_registers(used: &Resources) -> bool {
    used.registers.is_some() && used.stack == Some(0) && used.spilled == [Some(0); 2]
}

#[test]
fn a_log_that_says_nothing_is_no_sign_of_no_spills() {
    let log = "ptxas info    : Compiling entry function 'f' for 'sm_90'\n\
               ptxas info    : Function properties for f\n    \
               0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n\
               ptxas info    : Used 16 registers, used 1 barriers, 4096 bytes smem";
    let clean = |log: &str| keeps_to_registers(&resources(log)["f"]);
    assert!(clean(log));
    assert_eq!(resources(log)["f"].shared, Some(4096));
    for (said, instead) in [
        ("0 bytes spill stores", "4 bytes spill stores"),
        ("0 bytes spill loads", "8 bytes spill loads"),
        ("0 bytes stack frame", "16 bytes stack frame"),
        ("spill", "overflow"),
        ("stack frame", "local memory"),
        ("Used 16 registers", "Done"),
    ] {
        assert!(!clean(&log.replace(said, instead)), "{said:?} became {instead:?}");
    }
}

/// The most instructions of a main loop for each tensor-core operation, or fused multiply-add in single
/// precision: what compilers make of it now, and a tenth more.
const PER_MULTIPLY: &[(&str, f64)] = &[
    ("conv_y_64", 2.6),
    ("conv_y_128x64", 2.3),
    ("conv_y_128", 1.8),
    ("conv_x_64", 3.0),
    ("conv_x_128x64", 2.5),
    ("conv_x_128", 2.0),
    ("conv_w_64", 2.4),
    ("conv_w_128x64", 2.1),
    ("conv_w_128", 1.7),
    ("conv_y_few", 10.5),
    ("conv_y_few_4", 1.3),
    ("conv_x_few_4", 1.3),
    ("conv_y_few_8", 1.25),
    ("conv_x_few_8", 1.25),
    ("conv_x_bf16_few", 13.0),
    ("conv_x_stored_bf16_few", 9.1),
    ("conv_x_tf32_few", 9.7),
    ("conv_y_bf16_image", 10.6),
    ("conv_w_bf16_image", 22.0),
    ("conv_w_stored_bf16_image", 18.0),
    ("conv_y_tf32_64", 21.4),
    ("conv_y_tf32_128x64", 14.4),
    ("conv_y_tf32_128", 9.5),
    ("conv_y_bf16_64", 24.4),
    ("conv_y_bf16_128x64", 16.1),
    ("conv_y_bf16_128", 9.4),
    ("conv_x_tf32_64", 18.5),
    ("conv_x_tf32_128x64", 13.1),
    ("conv_x_tf32_128", 8.0),
    ("conv_x_bf16_64", 26.3),
    ("conv_x_bf16_128x64", 17.6),
    ("conv_x_bf16_128", 9.9),
    ("conv_w_tf32_64", 22.7),
    ("conv_w_tf32_128x64", 17.0),
    ("conv_w_tf32_128", 12.5),
    ("conv_w_bf16_64", 25.9),
    ("conv_w_bf16_128x64", 20.3),
    ("conv_w_bf16_128", 11.7),
    ("conv_y_stored_bf16_64", 18.7),
    ("conv_y_stored_bf16_128x64", 12.4),
    ("conv_y_stored_bf16_128", 7.5),
    ("conv_x_stored_bf16_64", 23.2),
    ("conv_x_stored_bf16_128x64", 13.4),
    ("conv_x_stored_bf16_128", 8.3),
    ("conv_w_stored_bf16_64", 18.7),
    ("conv_w_stored_bf16_128x64", 13.4),
    ("conv_w_stored_bf16_128", 8.2),
    // Of a warpgroup, 64 rows and a tile's columns at once.
    ("conv_y_wide_bf16_128x64", 63.3),
    ("conv_y_wide_bf16_128", 66.0),
    ("conv_y_wide_bf16_128x256", 83.6),
    ("conv_y_wide_bf16_256x128", 55.0),
    ("conv_x_wide_bf16_128x64", 67.1),
    ("conv_x_wide_bf16_128", 73.4),
    ("conv_x_wide_bf16_128x256", 89.7),
    ("conv_x_wide_bf16_256x128", 56.0),
    ("conv_w_wide_bf16_128x64", 87.5),
    ("conv_w_wide_bf16_128", 85.5),
    ("conv_w_wide_bf16_128x256", 104.8),
    ("conv_y_wide_tf32_128x64", 76.8),
    ("conv_y_wide_tf32_128", 74.3),
    ("conv_y_wide_tf32_128x256", 97.4),
    ("conv_y_wide_tf32_256x128", 57.9),
    ("conv_x_wide_tf32_128x64", 66.9),
    ("conv_x_wide_tf32_128", 72.8),
    ("conv_x_wide_tf32_128x256", 91.1),
    ("conv_x_wide_tf32_256x128", 56.5),
    ("conv_w_wide_tf32_128x64", 91.1),
    ("conv_w_wide_tf32_128", 88.9),
    ("conv_w_wide_tf32_128x256", 111.3),
    ("conv_w_wide_tf32_256x128", 67.5),
    ("matmul_nn_64", 1.9),
    ("matmul_nt_64", 1.9),
    ("matmul_tn_64", 1.85),
    ("matmul_tt_64", 1.9),
    ("matmul_nn_128", 1.45),
    ("matmul_nt_128", 1.45),
    ("matmul_tn_128", 1.42),
    ("matmul_tt_128", 1.45),
    ("matmul_nn_tf32_64", 14.6),
    ("matmul_nt_tf32_64", 11.4),
    ("matmul_tn_tf32_64", 15.6),
    ("matmul_tt_tf32_64", 14.6),
    ("matmul_nn_bf16_64", 19.6),
    ("matmul_nt_bf16_64", 18.7),
    ("matmul_tn_bf16_64", 17.8),
    ("matmul_tt_bf16_64", 19.7),
    ("matmul_nn_tf32_128", 8.0),
    ("matmul_nt_tf32_128", 6.5),
    ("matmul_tn_tf32_128", 9.1),
    ("matmul_tt_tf32_128", 7.7),
    ("matmul_nn_bf16_128", 7.5),
    ("matmul_nt_bf16_128", 7.1),
    ("matmul_tn_bf16_128", 7.5),
    ("matmul_tt_bf16_128", 8.1),
];

/// Whether a kernel may call that function. Divisions and roots in single precision are rounded right by a few
/// instructions, and by a call for what is subnormal or infinite; double precision has no place but where a number is
/// made once for many.
fn may_call(kernel: &str, function: &str) -> bool {
    let seldom = function.contains("_f32_slowpath");
    let double = ["div_rn_f64_full", "dsqrt_rn_f64", "dblrcp_rn_slowpath", "accurate_pow"];
    seldom || ["adam", "normal"].contains(&kernel) && double.iter().any(|name| function.contains(name))
}

/// What an assembler says of code that is slower than it was written to be, and calls no warning.
fn slowed(log: &str) -> Option<&str> {
    let signs = ["warning", "performance loss", "serializ"];
    log.lines().find(|line| signs.iter().any(|sign| line.to_ascii_lowercase().contains(sign)))
}

#[test]
fn code_that_is_slowed_is_not_missed() {
    let said = "ptxas info    : (C7515) Potential Performance Loss: wgmma.mma_async instructions are serialized due to \
                insufficient register resources for the wgmma pipeline in the function 'f'";
    assert_eq!(slowed(&format!("ptxas info    : 0 bytes gmem\n{said}\n")), Some(said));
    assert!(slowed("ptxas warning : Value of threads per SM is out of range").is_some());
    assert_eq!(slowed("ptxas info    : Used 16 registers, used 1 barriers"), None);
}

/// What only machine code shows.
fn machine_code(family: &Family, cubin: &[u8]) {
    let kernels = match code::of_cubin(cubin) {
        Ok(kernels) => kernels,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            println!("SKIPPED: the machine code of {} was not read: {why}", family.name);
            return;
        }
    };
    for kernel in family.kernels {
        let found = &kernels[kernel.name];
        let (name, whole) = (kernel.name, found.whole);
        assert!(whole.all > 0 && whole.local == 0, "{name}: {whole:?}");
        for function in &found.calls {
            assert!(may_call(name, function), "{name} calls {function}");
        }
        assert!(found.waits_first, "{name} may touch what the kernel before it still writes");
        let tensor = family.name.ends_with("mma");
        assert_eq!(whole.mma > 0, tensor, "{name}: {whole:?}");
        // What is rounded on the way goes through registers: of few channels to fragments, of warpgroups' tf32 to shared
        // memory, 16 bytes at a time.
        if tensor && (name.ends_with("_few") || name.contains("wide_tf32")) {
            let body = found.main_loop(|counts| counts.mma).unwrap();
            assert!(body.loads > 0 && body.load_bytes == 16 * body.loads, "{name}: {body:?}");
        } else if tensor && (name.contains("tf32") || name.contains("stored") || name.contains("wide")) {
            assert!(whole.copies > 0, "{name} copies nothing of 16 bytes asynchronously");
        }
        // Of what multiplies: adding pieces up does not.
        let multiplies = |counts: &Counts| if tensor { counts.mma } else { counts.fma };
        let product = ["conv", "matmul"].iter().any(|product| family.name.starts_with(product));
        let listed = PER_MULTIPLY.iter().any(|(listed, _)| *listed == name);
        let body = found.main_loop(multiplies).filter(|_| product);
        assert!(body.is_some() || !listed, "{name} has no main loop");
        if let Some(body) = body {
            let per = f64::from(body.all) / f64::from(multiplies(&body));
            println!("{name} sm_90 {per:.2} instructions a multiplication");
            let limit =
                PER_MULTIPLY.iter().find(|(listed, _)| *listed == name).map_or(0.0, |(_, limit)| *limit);
            assert!(per <= limit, "{name}: {per:.2} instructions a multiplication, at most {limit}");
        }
    }
}

#[test]
fn budgets_are_of_kernels_that_there_are() {
    let is = |name: &str| FAMILIES.iter().flat_map(|family| family.kernels).any(|kernel| kernel.name == name);
    assert!(PER_MULTIPLY.iter().all(|(name, _)| is(name)));
}

#[test]
fn every_kernel_compiles_without_a_warning() {
    let folder = driver().join("dump");
    let settings = [("INVNET_DUMP_KERNELS", folder.to_str().unwrap())];
    let printed = scenario("compiling::every_kernel_compiles_without_a_warning", &settings, || {
        for arch in [80, 90, 120] {
            for family in FAMILIES.iter().filter(|family| family.runs_on(arch)) {
                let compiled = compile(family, arch, &["--ptxas-options=-v"]).unwrap();
                assert_eq!(slowed(&compiled.log), None, "{} for sm_{arch}", family.name);
                let resources = resources(&compiled.log);
                for kernel in family.kernels {
                    let used = &resources[kernel.name];
                    assert!(keeps_to_registers(used), "{} for sm_{arch}: {used:?}", kernel.name);
                    let (registers, shared) = (used.registers.unwrap_or(0), used.shared.unwrap_or(0));
                    println!("{} sm_{arch} {registers} registers {shared} bytes shared", kernel.name);
                }
                let Code::Cubin(code) = compiled.code else { panic!("no machine code for sm_{arch}") };
                if arch == 90 {
                    machine_code(family, &code);
                }
                assert!(code.starts_with(b"\x7fELF"));
                for kernel in family.kernels {
                    let name = kernel.name.as_bytes();
                    assert!(code.windows(name.len()).any(|w| w == name), "{} is not there", kernel.name);
                }
            }
        }
        // An architecture of the future gets assembly of the newest known.
        let Code::Ptx(ptx) = compile(&FAMILIES[0], 999, &[]).unwrap().code else { panic!("not PTX") };
        assert!(ptx.ends_with(b"\0") && String::from_utf8_lossy(&ptx).contains(".target sm_1"));
        assert!(compile(&FAMILIES[0], 20, &[]).unwrap_err().to_string().contains("compute capability 2.0"));
        let bad = "#line 41 \"kernels/bad.cu\"\nextern \"C\" __global__ void f(float* x) { x[0] = y; }\n";
        let bad = Family { name: "bad", source: bad, kernels: &[] };
        let message = compile(&bad, 80, &[]).unwrap_err().to_string();
        assert!(message.contains("kernels/bad.cu(41)") && message.contains("\"y\""), "{message}");
    });
    if let Some(printed) = printed {
        // Shown with --nocapture: what kernels/README.md lists.
        println!("{printed}");
        assert!(std::env::var_os("CI").is_none() || !printed.contains("SKIPPED"), "{printed}");
        for file in ["conv.cu", "conv-sm_90.cubin", "conv-sm_90.ptx", "conv-sm_90.log", "bad-sm_80.log"] {
            assert!(folder.join(file).is_file(), "{file} was not written");
        }
    }
}
