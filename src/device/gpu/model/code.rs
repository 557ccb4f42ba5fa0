//! What the machine code of kernels says: instructions, loops and what is in them, from nvdisasm.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::device::gpu::cuda::cache::Code;
use crate::device::gpu::cuda::compile::compile;
use crate::device::gpu::launch::Family;
use crate::error::{Error, Result};

/// Instructions of some kinds in a stretch of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// All of them.
    pub all: u32,
    /// Tensor-core operations of a warp.
    pub mma: u32,
    /// Fused multiply-adds in single precision.
    pub fma: u32,
    /// Loads from global memory, and their bytes a thread.
    pub loads: u32,
    /// Bytes that these load.
    pub load_bytes: u32,
    /// Asynchronous copies of 16 bytes.
    pub copies: u32,
    /// Loads and stores of local memory: registers that ran out.
    pub local: u32,
}

impl Counts {
    fn add(&mut self, instruction: &str) {
        let name = instruction.split('.').next().unwrap_or("");
        self.all += 1;
        match name {
            "HMMA" | "IMMA" | "HGMMA" | "QGMMA" => self.mma += 1,
            "FFMA" | "FFMA2" => self.fma += 1,
            "LDG" => {
                self.loads += 1;
                self.load_bytes += bytes_of(instruction);
            }
            "LDGSTS" => {
                self.loads += 1;
                self.load_bytes += bytes_of(instruction);
                self.copies += u32::from(bytes_of(instruction) == 16);
            }
            "LDL" | "STL" => self.local += 1,
            _ => {}
        }
    }
}

/// The bytes that a load's suffix says.
fn bytes_of(instruction: &str) -> u32 {
    let is = |suffix: &str| instruction.split('.').any(|part| part == suffix);
    if is("128") {
        16
    } else if is("64") {
        8
    } else if is("U8") || is("S8") {
        1
    } else if is("U16") || is("S16") {
        2
    } else {
        4
    }
}

/// The code of one kernel, without the functions that it calls.
#[derive(Clone, Debug, Default)]
pub struct KernelCode {
    /// Registers of a thread.
    pub registers: u32,
    /// Static shared memory, in bytes.
    pub shared: u32,
    /// It waits for the kernel before it ahead of all that touches global memory or branches (compute capability 9.0).
    pub waits_first: bool,
    /// The functions that it calls, as often as it does: all after the last `$` of their names.
    pub calls: Vec<String>,
    /// Everything.
    pub whole: Counts,
    /// Every loop: what lies between a label and a branch back to it.
    pub loops: Vec<Counts>,
}

impl KernelCode {
    /// The loop that holds most of what `of` counts, the shortest of equals; none if no loop has any.
    #[must_use]
    pub fn main_loop(&self, of: impl Fn(&Counts) -> u32) -> Option<Counts> {
        let with = self.loops.iter().copied().filter(|body| of(body) > 0);
        with.max_by_key(|body| (of(body), std::cmp::Reverse(body.all)))
    }
}

/// The kernels of a family for compute capability `arch`, by name.
///
/// # Errors
/// [`Error::NoDevice`] without a compiler or a disassembler, or if the compiler makes no machine code
/// for it; [`Error::Io`] if the disassembler fails.
pub fn kernels(family: &Family, arch: u32) -> Result<HashMap<String, KernelCode>> {
    let compiled = compile(family, arch, &["--ptxas-options=-v"])?;
    let Code::Cubin(cubin) = compiled.code else {
        let problem = format!("the compiler makes no machine code for sm_{arch}");
        return Err(Error::NoDevice { device: format!("sm_{arch}"), problem });
    };
    let mut kernels = of_cubin(&cubin)?;
    for (name, registers, shared) in resources(&compiled.log) {
        if let Some(kernel) = kernels.get_mut(&name) {
            (kernel.registers, kernel.shared) = (registers, shared);
        }
    }
    Ok(kernels)
}

/// The kernels of machine code, by name, without what only the compiler says: registers, memory.
///
/// # Errors
/// [`Error::NoDevice`] without a disassembler, [`Error::Io`] or [`Error::Failed`] if it fails.
pub fn of_cubin(cubin: &[u8]) -> Result<HashMap<String, KernelCode>> {
    Ok(parse(&disassemble(cubin)?))
}

fn disassemble(cubin: &[u8]) -> Result<String> {
    let program = disassembler()?;
    let folder = tempfile_in(&env::temp_dir(), cubin)?;
    let output = Command::new(program).arg("--print-code").arg(&folder).output();
    // The file has served; one that cannot be removed harms nobody.
    let _ = fs::remove_file(&folder);
    let output = output.map_err(|e| Error::io(program, e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Failed(format!("{}: {}", program.display(), said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A new file of these bytes, whose name no other process or thread uses.
fn tempfile_in(folder: &Path, bytes: &[u8]) -> Result<PathBuf> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("invnet-{}-{count}.cubin", std::process::id()));
    fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
    Ok(path)
}

/// NVIDIA's disassembler, looked for once: `INVNET_NVDISASM`, what `scripts/setup-nvrtc` fetched, the
/// PATH, a CUDA toolkit.
///
/// # Errors
/// [`Error::NoDevice`] if there is none.
pub fn disassembler() -> Result<&'static Path> {
    use std::sync::OnceLock;
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find).as_deref().ok_or_else(|| Error::NoDevice {
        device: "nvdisasm".into(),
        problem:
            "no disassembler: scripts/setup-nvrtc fetches it, or let INVNET_NVDISASM name one (the Python \
                  wheel nvidia-cuda-nvdisasm, or a CUDA toolkit)"
                .into(),
    })
}

fn find() -> Option<PathBuf> {
    let given = env::var_os("INVNET_NVDISASM").filter(|v| !v.is_empty()).map(PathBuf::from);
    if given.is_some() {
        return given.filter(|file| file.is_file());
    }
    let exe = env::current_exe().ok()?;
    let fetched = exe.ancestors().skip(1).take(3).flat_map(|folder| {
        ["cu13", "cuda_nvdisasm"].map(|wheel| folder.join("nvrtc/nvidia").join(wheel).join("bin"))
    });
    let path = env::var_os("PATH").unwrap_or_default();
    let toolkit = env::var_os("CUDA_PATH").map(|root| Path::new(&root).join("bin"));
    let mut folders =
        fetched.chain(env::split_paths(&path)).chain(toolkit).chain([PathBuf::from("/usr/local/cuda/bin")]);
    folders.find_map(|folder| Some(folder.join("nvdisasm")).filter(|file| file.is_file()))
}

/// Name, registers and static shared memory of every kernel that the assembler's log lists.
fn resources(log: &str) -> Vec<(String, u32, u32)> {
    let mut all = Vec::new();
    let mut kernel = String::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("entry function '") {
            kernel = rest.split('\'').next().unwrap_or("").to_owned();
        }
        let words: Vec<&str> = line.split([' ', ',']).filter(|w| !w.is_empty()).collect();
        let before = |what: &[&str]| {
            let at = words.windows(what.len()).position(|w| w == what)?;
            words[at.checked_sub(1)?].parse::<u32>().ok()
        };
        if let Some(registers) = before(&["registers"]) {
            all.push((kernel.clone(), registers, before(&["bytes", "smem"]).unwrap_or(0)));
        }
    }
    all
}

/// The kernels of what `nvdisasm --print-code` printed.
#[must_use]
pub fn parse(text: &str) -> HashMap<String, KernelCode> {
    let mut all = HashMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_prefix(".text.").and_then(|l| l.strip_suffix(':')) else {
            continue;
        };
        let mut listing: Vec<&str> = Vec::new();
        let mut labels: HashMap<&str, usize> = HashMap::new();
        let mut code = KernelCode::default();
        let mut branches = Vec::new();
        while let Some(&line) = lines.peek() {
            let line = line.trim();
            if line.starts_with(".section") || line.starts_with("//----") {
                break;
            }
            lines.next();
            if let Some(label) = line.strip_suffix(':') {
                // What follows are functions that the kernel calls.
                if label.starts_with("$_") {
                    break;
                }
                labels.insert(label, listing.len());
            } else if let Some(instruction) = instruction(line) {
                if instruction.starts_with("BRA") {
                    branches.push((listing.len(), line));
                } else if instruction.starts_with("CALL") {
                    code.calls.push(called(line).to_owned());
                }
                listing.push(instruction);
            }
        }
        // Padding after the last branch is never run.
        while listing.last().is_some_and(|last| *last == "NOP" || *last == "BRA") {
            listing.pop();
        }
        let wait = listing.iter().position(|i| *i == "ACQBULK");
        let deed = listing.iter().position(|i| is_deed(i)).unwrap_or(listing.len());
        code.waits_first = wait.is_some_and(|wait| wait < deed);
        let count = |range: std::ops::Range<usize>| {
            let mut counts = Counts::default();
            listing[range.start..range.end.min(listing.len())].iter().for_each(|i| counts.add(i));
            counts
        };
        code.whole = count(0..listing.len());
        for (at, line) in branches {
            let to = line.split("`(").nth(1).and_then(|rest| rest.split(')').next());
            if let Some(&first) = to.and_then(|label| labels.get(label))
                && first < at
            {
                code.loops.push(count(first..at + 1));
            }
        }
        all.insert(name.to_owned(), code);
    }
    all
}

/// The name that a call goes to, `div` of ``CALL `($__internal_0_$div)``; all of the line if it has none.
fn called(line: &str) -> &str {
    let name = line.split("`(").nth(1).and_then(|rest| rest.split(')').next());
    name.map_or(line, |name| name.rsplit('$').next().unwrap_or(name))
}

/// Whether an instruction touches global memory or goes elsewhere.
fn is_deed(instruction: &str) -> bool {
    let name = instruction.split('.').next().unwrap_or("");
    let touches = ["LD", "LDG", "LDGSTS", "ST", "STG", "ATOM", "ATOMG", "RED", "REDG"].contains(&name);
    let bulk = name.starts_with("UTMA") || name.starts_with("UBLK");
    touches || bulk || ["BRA", "BRX", "JMP", "CALL", "RET", "EXIT"].contains(&name)
}

/// The instruction of a line `/*0040*/ @P0 LDG.E R4, ... ;`, with its suffixes.
fn instruction(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("/*")?.split_once("*/")?.1;
    let mut words = rest.split_whitespace();
    let first = words.next()?;
    let name = if first.starts_with('@') { words.next()? } else { first };
    name.starts_with(|c: char| c.is_ascii_uppercase()).then(|| name.trim_end_matches(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\t.section\t.text.f,\"ax\"\n\
        f:\n.text.f:\n\
        \x20       /*0000*/                   LDC R1, c[0x0][0x28] ;\n\
        .L_x_1:\n\
        \x20       /*0010*/              @!P0 LDG.E.128 R4, desc[UR8][R8.64] ;\n\
        \x20       /*0020*/                   HMMA.16816.F32.BF16 R4, R8, R10, R4 ;\n\
        \x20       /*0030*/               @P0 BRA `(.L_x_1) ;\n\
        \x20       /*0040*/                   CALL.REL.NOINC `($__internal_0_$__cuda_sm20_div_u64) ;\n\
        \x20       /*0050*/                   EXIT ;\n\
        $__internal_0_$__cuda_sm20_div_u64:\n\
        \x20       /*0060*/                   STL R1, R2 ;\n\
        \t.section\t.text.g,\"ax\"\n\
        .text.g:\n\
        \x20       /*0000*/                   EXIT ;\n";

    #[test]
    fn loops_and_kinds_are_counted_and_called_functions_are_not() {
        let kernels = parse(LISTING);
        let f = &kernels["f"];
        let expected = Counts { all: 6, mma: 1, loads: 1, load_bytes: 16, ..Counts::default() };
        assert_eq!(f.whole, expected);
        assert_eq!(f.calls, ["__cuda_sm20_div_u64"]);
        let body = f.main_loop(|c| c.mma);
        assert_eq!(body, Some(Counts { all: 3, mma: 1, loads: 1, load_bytes: 16, ..Counts::default() }));
        assert_eq!(f.main_loop(|c| c.fma), None);
        assert_eq!(kernels["g"].whole.all, 1);
    }

    #[test]
    fn a_kernel_waits_before_it_does_anything_or_not() {
        let waits = |instructions: &[&str]| {
            let lines: String = instructions.iter().map(|i| format!("/*0000*/ {i} ;\n")).collect();
            parse(&format!(".text.f:\n{lines}"))["f"].waits_first
        };
        assert!(waits(&["LDC R1, c[0x0][0x28]", "ACQBULK", "PREEXIT", "LDG.E R2, [R4]", "EXIT"]));
        assert!(!waits(&["LDC R1, c[0x0][0x28]", "LDG.E R2, [R4]", "EXIT"]));
        for before in ["LDG.E R2, [R4]", "@P0 EXIT", "UTMALDG.2D [UR8], [UR4]", "REDG.E.ADD [R2], R4"] {
            assert!(!waits(&[before, "ACQBULK", "STG.E [R4], R2", "EXIT"]), "{before}");
        }
    }
}
