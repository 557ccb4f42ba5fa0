//! `invnet serve`: where to listen, to whom, and what is printed.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Args;

use super::DeviceArg;
use crate::error::Result;
#[cfg(feature = "page")]
use crate::train::Sampler;

/// What the help says after the options.
pub(super) const NOTES: &str =
    "The page is at http://127.0.0.1:8080 and for this machine alone; of another one,
forward the port: ssh -L 8080:127.0.0.1:8080 HOST. A run may be under way: the
page shows its losses and its samples, and cannot stop or change it.

The JSON interface is described at /api/openapi.json. For instance:
  curl http://127.0.0.1:8080/api/sample -H 'Content-Type: application/json' \\
    -d '{\"run\": \"circles-quick\", \"target\": {\"r1\": 9}, \"count\": 4}'

Examples:
  invnet serve --run runs/circles-quick
  invnet serve --run runs/circles-quick --run runs/two-phase-quick
  invnet serve --listen 0.0.0.0 --token \"$(openssl rand -hex 16)\"";

/// Arguments of `serve`.
#[derive(Args)]
pub(super) struct ServeArgs {
    /// Run directory, or a copy of its checkpoint; may be repeated [default: all in runs/].
    #[arg(long, value_name = "DIR")]
    run: Vec<PathBuf>,
    /// Port; 0 is any free one.
    #[arg(long, default_value_t = 8080, value_name = "N")]
    port: u16,
    /// Address to listen on. Others than this machine's own need --token or --no-token.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    listen: IpAddr,
    /// Who asks must know this word.
    #[arg(long, value_name = "WORD", conflicts_with = "no_token")]
    token: Option<String>,
    /// Let everybody ask who reaches the address.
    #[arg(long)]
    no_token: bool,
    #[command(flatten)]
    device: DeviceArg,
}

#[cfg(not(feature = "page"))]
pub(super) fn run(_: &ServeArgs, _: bool) -> Result<()> {
    missing()
}

#[cfg(not(feature = "page"))]
pub(super) fn background(_: &Path, _: u16) -> Result<()> {
    missing()
}

#[cfg(not(feature = "page"))]
fn missing() -> Result<()> {
    let problem = "this program was built without the page: cargo build --release --features page";
    Err(crate::error::Error::Usage(problem.into()))
}

#[cfg(feature = "page")]
pub(super) use with_page::{background, run};

#[cfg(feature = "page")]
mod with_page {
    use std::fs;
    use std::net::SocketAddr;

    use super::*;
    use crate::cli::interrupt;
    use crate::cli::output::{note, say};
    use crate::error::Error;
    use crate::serve::{Options, Server};

    /// Serves until a signal comes.
    pub(in crate::cli) fn run(args: &ServeArgs, quiet: bool) -> Result<()> {
        check(args)?;
        let runs = if args.run.is_empty() { all(Path::new("runs"))? } else { args.run.clone() };
        let device = args.device.kind();
        let address = SocketAddr::new(args.listen, args.port);
        // A device that is not there is said at once, and not to the first who asks.
        device.open(crate::device::Precision::Fp32)?;
        let server = Server::bind(&Options { runs, device, address, token: args.token.clone() })?;
        if !args.listen.is_loopback() {
            let who = if args.token.is_some() { "who knows the token" } else { "everybody who reaches it" };
            note!("warning: {} answers {who}, unencrypted", server.address());
        }
        args.device.announce(device, false, quiet);
        interrupt::listen()?;
        say!("{}", link(server.address(), args.token.as_deref()))?;
        server.run(&|| interrupt::caught().is_some())?;
        // Stopped on purpose: nothing was interrupted.
        Ok(())
    }

    /// Serves one run in the background, for as long as the process lives, on few threads.
    pub(in crate::cli) fn background(run: &Path, port: u16) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let options =
            Options { runs: vec![run.to_path_buf()], device: crate::device::Kind::Cpu, address, token: None };
        let server = Server::bind(&options)?;
        say!("{}", link(server.address(), None))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|e| Error::Failed(format!("cannot start threads: {e}")))?;
        let serve = move || {
            if let Err(error) = pool.install(|| server.run(&|| false)) {
                note!("warning: the page is gone, training goes on: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("page".into()).spawn(serve);
        // Nobody waits for it: it ends with the process.
        thread.map(drop).map_err(|e| Error::Failed(format!("cannot start threads: {e}")))
    }

    /// Refuses to be open to others by accident.
    fn check(args: &ServeArgs) -> Result<()> {
        if args.token.as_ref().is_some_and(|t| t.is_empty() || !t.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            return Err(Error::Usage("--token: must be a word of letters and digits".into()));
        }
        if args.listen.is_loopback() || args.token.is_some() || args.no_token {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "--listen {}: others could ask too: give --token WORD, or --no-token if they may",
            args.listen
        )))
    }

    /// Where to find it. The token stands after the `#`: a browser sends that part to nobody.
    fn link(address: SocketAddr, token: Option<&str>) -> String {
        format!("http://{address}/{}", token.map_or(String::new(), |token| format!("#token={token}")))
    }

    /// All runs of a folder that have a checkpoint, by name.
    fn all(folder: &Path) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|p| p.is_dir() && Sampler::checkpoint_of(p).exists()).collect();
        runs.sort();
        if runs.is_empty() {
            let problem = "no run in runs/: give --run DIR, or train one: invnet train circles-quick";
            return Err(Error::Usage(problem.into()));
        }
        Ok(runs)
    }
}
