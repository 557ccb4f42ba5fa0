//! Clients that mean no good, and too many that do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{get, post, raw, send};
use crate::served::{Served, invnet, runs};

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn other_hosts_and_pages_of_other_sites_are_refused() {
    let server = Served::runs();
    let port = server.address.port();
    for path in ["/", "/main.js", "/api/runs"] {
        assert_eq!(send(server.address, "GET", path, "Host: evil.example\r\n", b"").status, 421, "{path}");
        let foreign = send(server.address, "GET", path, "Origin: http://evil.example\r\n", b"");
        assert_eq!(foreign.status, 403, "{path}");
        foreign.error();
        let site = send(server.address, "GET", path, "Sec-Fetch-Site: cross-site\r\n", b"");
        assert_eq!(site.status, 403, "{path}");
        let forwarded = send(server.address, "GET", path, &format!("Host: localhost:{}\r\n", port ^ 1), b"");
        assert_eq!(forwarded.status, 200, "{path}");
    }
    // What a form of another site could send without asking first.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(
            send(server.address, "POST", "/api/sample", &format!("Content-Type: {kind}\r\n"), b"{}").status,
            415
        );
    }
    assert_eq!(send(server.address, "OPTIONS", "/api/sample", "", b"").status, 405);
    let page = get(server.address, "/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.header("access-control-allow-origin").is_none());
    let html = String::from_utf8(page.body).unwrap();
    assert!(
        !html.contains("http://") && !html.contains("style=") && !html.contains("onclick"),
        "nothing inline"
    );
}

#[test]
fn a_page_is_sent_once_and_packed() {
    let server = Served::runs();
    let page = get(server.address, "/main.js");
    let tag = page.header("etag").unwrap();
    let again = send(server.address, "GET", "/main.js", &format!("If-None-Match: {tag}\r\n"), b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let packed = send(server.address, "GET", "/main.js", "Accept-Encoding: br, gzip;q=0.8\r\n", b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, page.body);
}

#[test]
fn malformed_and_oversized_requests_end_in_a_refusal() {
    let server = Served::runs();
    let address = server.address;
    for body in
        [&b""[..], b"{", b"[[[[", b"\xff\xfe", b"{\"run\": null, \"target\": {\"r1\": 1, \"r1\": }}", b"null"]
    {
        let answer = send(address, "POST", "/api/sample", JSON, body);
        assert_eq!(answer.status, 400, "{answer}");
        answer.error();
    }
    let deep = [b"{\"target\":".repeat(20_000), b"1".to_vec()].concat();
    assert_eq!(send(address, "POST", "/api/sample", JSON, &deep).status, 400);
    // Said to be large, and not sent; and really sent.
    let large = format!(
        "POST /api/sample HTTP/1.1\r\nHost: {address}\r\n{JSON}Connection: close\r\nContent-Length: 99999999999\r\n\r\n"
    );
    assert_eq!(raw(address, large.as_bytes()).unwrap().status, 413);
    let sent = vec![b' '; 13 << 20];
    assert_eq!(send(address, "POST", "/api/sample", JSON, &sent).status, 413);
    let chunks = format!(
        "POST /api/sample HTTP/1.1\r\nHost: {address}\r\n{JSON}Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    );
    assert_eq!(raw(address, chunks.as_bytes()).unwrap().status, 413);
    let head = format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(raw(address, head.as_bytes()).map_or(431, |a| a.status) == 431);
    for line in ["GET", "\0\0\0\0", "GET / HTTP/9.9", "FOO\tBAR"] {
        let _ = raw(address, format!("{line}\r\n\r\n").as_bytes());
    }
    assert_eq!(get(address, "/api/runs").status, 200);
}

#[test]
fn half_open_and_slow_clients_hold_nobody_up() {
    let server = Served::runs();
    let silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let slow: Vec<TcpStream> = (0..100)
        .map(|i| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let body =
                if i % 2 == 0 { "GET / HT" } else { "POST /api/sample HTTP/1.1\r\nContent-Length: 100\r\n" };
            stream.write_all(body.as_bytes()).unwrap();
            stream
        })
        .collect();
    // Who asks and does not listen.
    let deaf: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let request = format!("GET /main.js HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).repeat(50);
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    for seed in 0..5 {
        assert_eq!(post(server.address, "/api/sample", &json!({"seed": seed})).status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop((silent, slow, deaf));
    assert_eq!(server.stop(), Some(0));
}

/// Texture nets that have learned nothing miss every target: closing so many takes very long.
fn endless(seconds: f64) -> serde_json::Value {
    json!({"run": "phases", "count": 1024, "within": "0.01%", "seconds": seconds})
}

#[test]
fn nobody_waits_for_all_of_a_long_request() {
    let server = Served::runs();
    let address = server.address;
    let long = thread::spawn(move || post(address, "/api/sample", &endless(3.0)));
    // Of the same generator and of another.
    for seed in 0..4 {
        for run in ["phases", "figures"] {
            let answer = post(address, "/api/sample", &json!({"run": run, "seed": seed, "count": 2}));
            assert_eq!(answer.status, 200, "{answer}");
        }
    }
    assert!(!long.is_finished(), "the short ones waited for the long one, or it was none");
    // It ends when its time is over, with what there is, and says so.
    let answer = long.join().unwrap();
    assert_eq!(answer.status, 200, "{answer}");
    let answer = answer.json();
    assert_eq!((&answer["ended"], answer["measured"].as_array().map(Vec::len)), (&json!(true), Some(1024)));
    assert_eq!(answer["maps"].as_str().unwrap().len(), (1024usize * 1024).div_ceil(3) * 4);
    let short = post(address, "/api/sample", &json!({"run": "phases", "within": true})).json();
    assert_eq!(short["ended"], false);
}

#[test]
fn a_request_that_is_overtaken_or_left_ends_at_once() {
    let server = Served::runs();
    let address = server.address;
    let mut long = endless(20.0);
    long["page"] = json!("mine");
    let overtaken = thread::spawn(move || post(address, "/api/sample", &long));
    // Long enough for it to be begun.
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let newest = json!({"run": "phases", "page": "mine", "count": 1});
    assert_eq!(post(address, "/api/sample", &newest).status, 200);
    let answer = overtaken.join().unwrap();
    assert_eq!(answer.status, 429, "{answer}");
    assert_eq!(answer.header("retry-after"), Some("0"));
    // Who goes away leaves nothing behind: as many places for long requests as before.
    for _ in 0..4 {
        let body = endless(20.0).to_string();
        let length = body.len();
        let mut stream = TcpStream::connect(address).unwrap();
        let head =
            format!("POST /api/sample HTTP/1.1\r\nHost: {address}\r\n{JSON}Content-Length: {length}\r\n\r\n");
        stream.write_all((head + &body).as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(post(address, "/api/sample", &endless(0.1)).status, 200);
    // Each of the six would have taken its twenty seconds.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn requests_that_share_a_batch_are_answered_as_if_alone() {
    let server = Served::runs();
    let address = server.address;
    let bodies: Vec<_> = (0..12)
        .map(|i| {
            let target = if i % 3 == 0 { json!({"r1": 4 + i % 2}) } else { json!({}) };
            json!({"run": "figures", "seed": i, "count": 1 + i % 5, "within": i % 4 != 1, "target": target})
        })
        .collect();
    let alone: Vec<_> = bodies.iter().map(|body| post(address, "/api/sample", body).json()).collect();
    let together: Vec<_> = bodies
        .iter()
        .cloned()
        .map(|body| thread::spawn(move || post(address, "/api/sample", &body).json()))
        .collect();
    for (alone, together) in alone.iter().zip(together) {
        assert_eq!(alone, &together.join().unwrap());
    }
}

#[test]
fn others_may_ask_only_where_somebody_said_so() {
    let [figures, ..] = runs();
    let run = ["--run", figures.to_str().unwrap()];
    let refused = invnet(&["serve", "--listen=0.0.0.0"]).args(run).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("--token WORD, or --no-token"), "{said}");
    let refused = invnet(&["serve", "--token=a b"]).args(run).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let server = Served::start(&["--token=secret", run[0], run[1]]);
    assert!(server.link.ends_with("/#token=secret"), "{}", server.link);
    assert_eq!(get(server.address, "/").status, 200, "the page itself holds no data");
    for wrong in ["", "Authorization: Bearer secre\r\n", "Authorization: secret\r\n"] {
        let answer = send(server.address, "GET", "/api/runs", wrong, b"");
        assert_eq!(answer.status, 401, "{wrong}");
        answer.error();
        assert_eq!(send(server.address, "POST", "/api/sample", &format!("{JSON}{wrong}"), b"{}").status, 401);
    }
    assert_eq!(send(server.address, "GET", "/api/runs", "Authorization: Bearer secret\r\n", b"").status, 200);
    // A port that is taken is said so.
    let port = format!("--port={}", server.address.port());
    let taken = invnet(&["serve", &port]).args(run).output().unwrap();
    let said = String::from_utf8_lossy(&taken.stderr);
    assert!(taken.status.code() == Some(2) && said.contains("choose another --port"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let none = invnet(&["serve"]).current_dir(empty.path()).output().unwrap();
    assert!(
        none.status.code() == Some(2)
            && String::from_utf8_lossy(&none.stderr).contains("invnet train circles-quick")
    );
}

/// What became of the requests of a crowd.
fn crowd(server: &Served, clients: usize, time: Duration) -> (usize, usize, Vec<f64>) {
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let (begun, address) = (Instant::now(), server.address);
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let counts = counts.clone();
            thread::spawn(move || {
                let mut times = Vec::new();
                for seed in 0.. {
                    if begun.elapsed() >= time {
                        break;
                    }
                    let asked = Instant::now();
                    let answer =
                        post(address, "/api/sample", &json!({"seed": seed * 1000 + client, "count": 4}));
                    match answer.status {
                        200 => {
                            times.push(asked.elapsed().as_secs_f64());
                            counts[0].fetch_add(1, Ordering::Relaxed);
                        }
                        429 | 503 => {
                            let wait: f64 = answer.header("retry-after").unwrap().parse().unwrap();
                            counts[1].fetch_add(1, Ordering::Relaxed);
                            thread::sleep(Duration::from_secs_f64(wait));
                        }
                        _ => panic!("{answer}"),
                    }
                }
                times
            })
        })
        .collect();
    let mut times: Vec<f64> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    times.sort_by(f64::total_cmp);
    let [done, refused] = &*counts;
    (done.load(Ordering::Relaxed), refused.load(Ordering::Relaxed), times)
}

#[test]
fn a_crowd_is_served_or_told_when_to_come_back() {
    let server = Served::runs();
    let (done, refused, _) = crowd(&server, 100, Duration::from_secs(2));
    assert!(done >= 20 && refused > 0, "{done} done, {refused} told to come back");
    assert_eq!(server.stop(), Some(0));
}

/// The figures of BENCHMARKS.md: `cargo test --release --test page -- --ignored --nocapture two_hundred`.
#[test]
#[ignore = "takes a minute: it measures"]
fn two_hundred_clients_for_a_minute() {
    let server = Served::runs();
    crowd(&server, 200, Duration::from_secs(5));
    let before = server.memory();
    let (done, refused, times) = crowd(&server, 200, Duration::from_secs(60));
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize] * 1e3;
    let after = server.memory();
    println!(
        "{done} answers of 4 samples, {refused} told to come back; {:.0} ms median, {:.0} ms p95; {before:.0} MiB before, {after:.0} MiB after",
        at(0.5),
        at(0.95)
    );
    assert!(after < before + 32.0, "memory grew from {before} to {after} MiB");
}
