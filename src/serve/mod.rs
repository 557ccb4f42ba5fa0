//! `invnet serve`: a page in the browser, and the JSON interface that it and notebooks speak.
//!
//! Requests come in over HTTP (`api`, limits in `guard` and `connections`) and are handed to one
//! worker through a bounded queue. The worker owns every generator; nothing else computes. It does so batch by
//! batch, and samples of different requests share batches: none waits for all of another, and what nobody waits
//! for any more ends with its batch. The page itself is plain HTML, CSS and JavaScript, compiled into the program
//! (`assets`).
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /` and its files | the page |
//! | `GET /api/runs` | what there is, what it can be asked for, in which ranges |
//! | `GET /api/runs/{run}/table` | numbers that real images have together |
//! | `GET /api/runs/{run}/training`, `.../training/{iteration}` | the log of a run; its samples then |
//! | `POST /api/sample` | samples, asked and measured |
//! | `POST /api/measure`, `/api/match` | the numbers of an image; samples that have them |
//! | `POST /api/files/{format}` | samples as a file |
//! | `GET /api/openapi.json` | all of this, for programs |
//!
//! No text of a request becomes part of a path: a run is found by comparing names.

mod answer;
mod api;
mod ask;
mod assets;
mod catalog;
mod connections;
mod files;
mod generators;
mod guard;
mod image;
mod openapi;
mod queue;
mod training;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;

use crate::device::Kind;
use crate::error::{Error, Result};
use catalog::Catalog;
use guard::Guard;
use queue::Queue;

/// What to serve, where and to whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Run directories or copies of checkpoints.
    pub runs: Vec<PathBuf>,
    /// What computes.
    pub device: Kind,
    /// Where to listen; port 0 is any free one.
    pub address: SocketAddr,
    /// The word that every request for data must bring; none asks for none.
    pub token: Option<String>,
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    device: Kind,
}

/// What requests share.
struct Shared {
    catalog: Catalog,
    queue: Queue,
    guard: Guard,
    /// Requests whose images are being read, and those that wait for it.
    readers: Arc<Semaphore>,
}

/// Requests with an image that are read or wait for it.
const READERS: usize = 8;

impl Server {
    /// Opens the runs and the port.
    ///
    /// # Errors
    /// If a run cannot be read, or the port cannot be had.
    pub fn bind(options: &Options) -> Result<Self> {
        let catalog = Catalog::open(&options.runs)?;
        let refused = |e: std::io::Error| {
            let advice = match e.kind() {
                std::io::ErrorKind::AddrInUse => ": choose another --port",
                _ => "",
            };
            Error::Usage(format!("cannot listen on {}: {e}{advice}", options.address))
        };
        let listener = std::net::TcpListener::bind(options.address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let guard = Guard::new(address, options.token.clone());
        let readers = Arc::new(Semaphore::new(READERS));
        let shared = Arc::new(Shared { catalog, queue: Queue::new(), guard, readers });
        Ok(Self { listener, address, shared, device: options.device })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` says so, which is asked a few times a second. The calling thread computes.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn run(self, stop: &dyn Fn() -> bool) -> Result<()> {
        let Self { listener, shared, device, .. } = self;
        let (ending, ended) = tokio::sync::oneshot::channel();
        let failed = |e: std::io::Error| Error::Failed(format!("cannot serve: {e}"));
        let app = shared.clone();
        let answering = thread::Builder::new()
            .name("http".into())
            .spawn(move || connections::serve(listener, &app, ended))
            .map_err(failed)?;
        worker::run(&shared, device, stop);
        drop(ending);
        answering.join().map_err(|_| Error::Failed("the server stopped unexpectedly".into()))?.map_err(failed)
    }
}
