//! Requests and answers: the routes, the checks before them, and how an answer is sent.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Shared;
use super::answer::{Answer, Refusal};
use super::ask::{self, Ask, MOST_BYTES, Verb};
use super::assets::ASSETS;
use super::connections::within;
use super::files::FileFormat;
use super::openapi;

/// Time for a request's body to arrive.
const BODY: Duration = Duration::from_secs(15);
/// Time for an answer, the wait in the queue included.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes of a request's body: an image in base64, and some numbers.
const MOST_BODY: usize = MOST_BYTES / 3 * 4 + (1 << 16);
/// Answers of fewer bytes are sent as they are.
const PACKED: usize = 1 << 10;

/// What a browser lets the page do: use what this server gives, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Every route.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/api/runs", get(runs))
        .route("/api/runs/{run}/table", get(table))
        .route("/api/runs/{run}/training", get(training))
        .route("/api/runs/{run}/training/{iteration}", get(picture))
        .route("/api/sample", post(sample))
        .route("/api/measure", post(measure))
        .route("/api/match", post(matching))
        .route("/api/files/{format}", post(file))
        .route("/api/openapi.json", get(openapi))
        .layer(from_fn_with_state(shared.clone(), authorised));
    let page = ASSETS.iter().fold(api, |router, asset| {
        router.route(asset.path, get(move |headers: HeaderMap| async move { page(asset, &headers) }))
    });
    page.fallback(async || Refusal::new(404, "no such page: / is the page, /api/openapi.json the interface"))
        .method_not_allowed_fallback(async || {
            Refusal::new(405, "this address takes another method: see /api/openapi.json")
        })
        .layer(from_fn_with_state(shared.clone(), guarded))
        .with_state(shared)
}

type App = State<Arc<Shared>>;
type Outcome = Result<Response, Refusal>;

async fn runs(State(shared): App, headers: HeaderMap) -> Response {
    send(&Answer::json(&shared.catalog.describe()), &headers)
}

async fn openapi(headers: HeaderMap) -> Response {
    send(&Answer::json(&openapi::description()), &headers)
}

async fn table(State(shared): App, Path(run): Path<String>, headers: HeaderMap) -> Outcome {
    let run = shared.catalog.named(Some(&run))?;
    wait(&shared, Ask::Table { run }, None, &headers).await
}

async fn training(State(shared): App, Path(run): Path<String>, headers: HeaderMap) -> Outcome {
    let run = shared.catalog.named(Some(&run))?;
    wait(&shared, Ask::Training { run, iteration: None }, None, &headers).await
}

async fn picture(
    State(shared): App,
    Path((run, iteration)): Path<(String, String)>,
    headers: HeaderMap,
) -> Outcome {
    let run = shared.catalog.named(Some(&run))?;
    let iteration = iteration.parse().map_err(|_| Refusal::wrong("iteration: must be a whole number"))?;
    wait(&shared, Ask::Training { run, iteration: Some(iteration) }, None, &headers).await
}

async fn sample(State(shared): App, request: Request) -> Outcome {
    posted(&shared, Verb::Sample, request).await
}

async fn measure(State(shared): App, request: Request) -> Outcome {
    posted(&shared, Verb::Measure, request).await
}

async fn matching(State(shared): App, request: Request) -> Outcome {
    posted(&shared, Verb::Match, request).await
}

async fn file(State(shared): App, Path(format): Path<String>, request: Request) -> Outcome {
    let format = FileFormat::named(&format).ok_or_else(|| {
        Refusal::new(404, format!("no such format: there are {}", FileFormat::NAMES.join(", ")))
    })?;
    posted(&shared, Verb::File(format), request).await
}

/// Reads a body, waits for what it asks for.
async fn posted(shared: &Arc<Shared>, verb: Verb, request: Request) -> Outcome {
    let (head, body) = request.into_parts();
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    // A form of another site's page could send no such body without asking first.
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refusal::new(415, "Content-Type: must be application/json"));
    }
    let long = || Refusal::new(413, format!("the body is cut short, or longer than {MOST_BODY} bytes"));
    if axum::body::HttpBody::size_hint(&body).lower() > MOST_BODY as u64 {
        return Err(long());
    }
    let body = within(BODY, axum::body::to_bytes(body, MOST_BODY)).await;
    let body = body.ok_or_else(|| Refusal::new(408, "the body did not arrive in time"))?;
    let body: Bytes = body.map_err(|_| long())?;
    let (ask, key) = if verb.reads() {
        // Beside the worker, so that nobody waits for an image of another's.
        let place = shared.readers.clone().try_acquire_owned().map_err(|_| Refusal::busy())?;
        let app = shared.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _place = place;
            ask::parse(verb, &body, &app.catalog)
        });
        reading.await.map_err(|_| Refusal::broken())??
    } else {
        ask::parse(verb, &body, &shared.catalog)?
    };
    wait(shared, ask, key, &head.headers).await
}

/// Hands work to the worker and waits for its answer.
async fn wait(shared: &Shared, ask: Ask, key: Option<String>, headers: &HeaderMap) -> Outcome {
    let answer = shared.queue.add(ask, key)?;
    let outcome = within(ANSWER, answer).await.ok_or_else(Refusal::late)?;
    let answer =
        outcome.map_err(|_| Refusal { retry: Some(5), ..Refusal::new(503, "the server is stopping") })?;
    Ok(send(&*answer?, headers))
}

/// A file of the page, unless the browser has it.
fn page(asset: &super::assets::Asset, headers: &HeaderMap) -> Response {
    let tag = asset.tag();
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let answer = Answer { kind: asset.kind, bytes: asset.bytes.to_vec(), file: None };
    let mut response = send(&answer, headers);
    set(&mut response, header::ETAG, &tag);
    set(&mut response, header::CACHE_CONTROL, "no-cache");
    response
}

/// An answer, packed for who can unpack it.
fn send(answer: &Answer, headers: &HeaderMap) -> Response {
    let takes = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    let takes = takes.split(',').any(|word| word.split(';').next().map(str::trim) == Some("gzip"));
    let text = answer.kind.starts_with("text/") || answer.kind.starts_with("application/json");
    let packed = (takes && text && answer.bytes.len() >= PACKED).then(|| pack(&answer.bytes)).flatten();
    let is_packed = packed.is_some();
    let mut response = Response::new(Body::from(packed.unwrap_or_else(|| answer.bytes.clone())));
    set(&mut response, header::CONTENT_TYPE, answer.kind);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    if is_packed {
        set(&mut response, header::CONTENT_ENCODING, "gzip");
        set(&mut response, header::VARY, "Accept-Encoding");
    }
    if let Some(file) = &answer.file {
        // Names of runs may have any letters, names of files in a header may not.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let file: String = file.chars().map(plain).collect();
        set(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{file}\""));
    }
    response
}

fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).ok()
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Refuses other hosts and origins; says in every answer what a browser may do with it.
async fn guarded(State(shared): App, request: Request, next: Next) -> Response {
    let mut response = match shared.guard.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    set(&mut response, header::CONTENT_SECURITY_POLICY, POLICY);
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    set(&mut response, header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(&mut response, header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    response
}

async fn authorised(State(shared): App, request: Request, next: Next) -> Outcome {
    shared.guard.check_token(request.headers())?;
    Ok(next.run(request).await)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let answer = Answer::json(&serde_json::json!({"error": self.problem}));
        let mut response = send(&answer, &HeaderMap::new());
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        if let Some(seconds) = self.retry {
            set(&mut response, header::RETRY_AFTER, &seconds.to_string());
        }
        if self.status == 401 {
            set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
        }
        response
    }
}
