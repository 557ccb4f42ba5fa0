//! What every benchmark asks: which devices, and whether this is a trial run.

use std::fmt;

use invnet::device::Kind;
use invnet::device::gpu::Precision;

/// A device to measure, and the precision of its products.
#[derive(Clone, Copy)]
pub struct Setup {
    pub kind: Kind,
    pub precision: Precision,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Cpu => write!(f, "cpu"),
            kind => write!(f, "{kind} {}", self.precision.name()),
        }
    }
}

/// What `INVNET_BENCH_DEVICE` names (cpu, cuda, cuda:N or simt), else the CPU and the first CUDA
/// device where it can be used; with the precision of `INVNET_BENCH_PRECISION` (fp32, tf32, bf16).
pub fn setups() -> Vec<Setup> {
    let precision = match std::env::var("INVNET_BENCH_PRECISION") {
        Err(_) => Precision::Fp32,
        Ok(name) => [Precision::Fp32, Precision::Tf32, Precision::Bf16]
            .into_iter()
            .find(|precision| precision.name() == name)
            .unwrap_or_else(|| {
                refuse("INVNET_BENCH_PRECISION", &format!("{name}: must be fp32, tf32 or bf16"))
            }),
    };
    let kinds = match std::env::var("INVNET_BENCH_DEVICE") {
        Ok(name) => vec![name.parse().unwrap_or_else(|error| refuse("INVNET_BENCH_DEVICE", &error))],
        Err(_) => match Kind::best() {
            Kind::Cpu => vec![Kind::Cpu],
            best => vec![Kind::Cpu, best],
        },
    };
    kinds.into_iter().map(|kind| Setup { kind, precision }).collect()
}

/// True if everything is run once, to see that it runs: `cargo bench -- --test`.
pub fn trial() -> bool {
    let mut arguments = std::env::args();
    let mut measuring = false;
    !(arguments.all(|argument| {
        measuring |= argument == "--bench";
        argument != "--test"
    }) && measuring)
}

fn refuse(variable: &str, problem: &dyn fmt::Display) -> ! {
    eprintln!("{variable}: {problem}");
    std::process::exit(2)
}
