//! Connections, each bounded in number, in the time of its parts, and in age.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::{Shared, api};

/// Connections at a time; further ones wait in the system's own queue until one is free.
const MOST: usize = 512;
/// A request's head must be there in this time, and the next one of a connection that is kept.
const HEAD: Duration = Duration::from_secs(15);
/// A connection is closed after this long, once its request is done.
const AGE: Duration = Duration::from_secs(300);
/// Then it is dropped, done or not.
const GRACE: Duration = Duration::from_secs(30);
/// Bytes that nobody takes for so long end a connection.
const TAKEN: Duration = Duration::from_secs(20);
/// Bytes of a request's head.
const BUFFER: usize = 64 << 10;

/// Answers until `ended` is dropped.
pub(super) fn serve(
    listener: std::net::TcpListener,
    shared: &Arc<Shared>,
    ended: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let app = api::router(shared.clone());
    let outcome = runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let accepting = tokio::spawn(accept(listener, app));
        let _ = ended.await;
        accepting.abort();
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn accept(listener: TcpListener, app: Router) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles, as a rule: some will be closed.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Small answers leave at once. Where either cannot be set the connection is as good without.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(TAKEN));
        let app = app.clone();
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER);
            let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
            let mut connection = std::pin::pin!(connection);
            // What ends a connection is of no interest: whoever it was has gone.
            if timeout(AGE, connection.as_mut()).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(GRACE, connection).await;
            }
            drop(place);
        });
    }
}

/// An answer within a time, or nothing.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(time, work).await.ok()
}
