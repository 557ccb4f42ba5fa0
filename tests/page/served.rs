//! A server of two small runs, trained once for all tests.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The link that a process prints first.
pub fn link_of(child: &mut Child) -> String {
    let mut link = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut link).unwrap();
    assert!(link.starts_with("http://"), "no link: {link}");
    link.trim().to_owned()
}

/// A server, stopped when it is dropped.
pub struct Served {
    child: Child,
    temporary: tempfile::TempDir,
    pub address: SocketAddr,
    pub link: String,
}

impl Served {
    /// Serves with these arguments on a free port.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = invnet(&["serve", "--port=0", "--device=cpu"]);
        let temporary = tempfile::tempdir().unwrap();
        command.env("TMPDIR", temporary.path());
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let link = link_of(&mut child);
        let address = link.strip_prefix("http://").unwrap().split('/').next().unwrap().parse().unwrap();
        Self { child, temporary, address, link }
    }

    /// Both runs.
    pub fn runs() -> Self {
        let [figures, phases, _] = runs();
        Self::start(&["--run", figures.to_str().unwrap(), "--run", phases.to_str().unwrap()])
    }

    /// Files that it has left where temporary ones go.
    pub fn leftovers(&self) -> usize {
        std::fs::read_dir(self.temporary.path()).unwrap().count()
    }

    /// Resident memory, MiB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().split(' ').next().unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Asks it to stop; how it ended.
    pub fn stop(mut self) -> Option<i32> {
        interrupt(&self.child);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends the signal of Ctrl-C.
pub fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

/// The program; for measurements INVNET_PROGRAM may name another build of it. It hears signals as in a terminal, whatever
/// runs the test: a shell's job in the background ignores an interrupt.
pub fn invnet(arguments: &[&str]) -> Command {
    let program = std::env::var_os("INVNET_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_invnet").into());
    let mut command = Command::new("env");
    command.arg("--default-signal=INT,TERM,HUP").arg(program).args(arguments);
    command
}

fn done(folder: &Path, words: &str) {
    let output = invnet(&[]).args(words.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Three runs: figures that follow their targets, and of a file phases and shares that were hardly trained.
pub fn runs() -> &'static [PathBuf; 3] {
    static RUNS: OnceLock<(tempfile::TempDir, [PathBuf; 3])> = OnceLock::new();
    let (_, runs) = RUNS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let few = "--set=latent=16 --set=images=1000 --set=eval_samples=20 --set=log_every=5 --device=cpu -q";
        done(folder.path(), &format!(
            "train circles-quick --out=figures --set=size=32 --set=width=8 --iterations=300 --set=sample_every=100 {few}"
        ));
        done(folder.path(), "data two-phase --size=32 --count=60 --device=cpu --out=phases.npz -q");
        done(folder.path(), &format!(
            "train two-phase-quick --out=phases --set=data=phases.npz --set=bins=9 --set=width=4 --iterations=5 --set=latent_map=true {few}"
        ));
        done(folder.path(), &format!(
            "train polycrystal-quick --out=shares --set=data=phases.npz --set=orientations=2 --set=width=4 --iterations=2 {few}"
        ));
        let runs = ["figures", "phases", "shares"].map(|run| folder.path().join(run));
        (folder, runs)
    });
    runs
}
