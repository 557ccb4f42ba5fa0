//! Who may ask: the host and the origin that a request names, and the token.
//!
//! A page from elsewhere can make a browser send requests to a local server. It cannot make the browser
//! lie about where they come from (`Origin`, `Sec-Fetch-Site`) nor, through a name of its own that leads
//! here, about which name was asked for (`Host`). So both must be this server's own.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::answer::Refusal;

/// The rules of one server.
pub(super) struct Guard {
    address: SocketAddr,
    /// SHA-256 of the token: comparing digests takes the same time whatever is wrong.
    token: Option<[u8; 32]>,
    hostname: String,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, token: Option<String>) -> Self {
        let token = token.map(|token| Sha256::digest(token).into());
        Self { address, token, hostname: gethostname::gethostname().to_string_lossy().to_lowercase() }
    }

    /// Refuses what does not come from this server's own page, or from no page at all.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(name).map(|v: &axum::http::HeaderValue| v.to_str().unwrap_or("?"));
        let host = text(header::HOST).unwrap_or("");
        if headers.get_all(header::HOST).iter().count() != 1 || !self.is_own(host) {
            let problem = "the Host of the request is not this server: use the address that it printed";
            return Err(Refusal::new(421, problem));
        }
        let foreign = match text(header::ORIGIN) {
            Some(origin) => {
                let bare = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                bare != Some(host)
            }
            None => false,
        };
        let site = headers.get("sec-fetch-site").map(|v| v.as_bytes());
        if foreign || site.is_some_and(|site| ![b"same-origin".as_slice(), b"none"].contains(&site)) {
            return Err(Refusal::new(403, "a page of another site may not ask this server"));
        }
        Ok(())
    }

    /// Refuses requests for data without the token, if there is one.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = self.token else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        if given.is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given)) == token) {
            return Ok(());
        }
        Err(Refusal::new(401, "this server asks for its token: Authorization: Bearer TOKEN"))
    }

    /// Whether a name is one by which this server can be reached. A loopback name may have any port: it
    /// may have been forwarded.
    fn is_own(&self, host: &str) -> bool {
        let (name, port) = split(host);
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return false;
        }
        let name = name.to_lowercase();
        if name == "localhost" {
            return true;
        }
        match name.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => true,
            Ok(ip) => ip == self.address.ip() || self.address.ip().is_unspecified(),
            // A name from a resolver that somebody else may own; without a token it could lead here.
            Err(_) => !self.address.ip().is_loopback() && name == self.hostname,
        }
    }
}

/// A host and its port; of an address in brackets what is between them.
fn split(host: &str) -> (&str, Option<&str>) {
    if let Some((name, rest)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or("?")) });
    }
    host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn status(guard: &Guard, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        guard.check(&map).and_then(|()| guard.check_token(&map)).map_or_else(|r| r.status, |()| 200)
    }

    #[test]
    fn only_its_own_page_and_programs_may_ask() {
        let guard = Guard::new("127.0.0.1:8080".parse().unwrap(), None);
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:9000", "[::1]:8080", "127.0.0.1"] {
            assert_eq!(status(&guard, &[("host", host)]), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "10.0.0.1:8080",
            "localhost:x",
            "[::1]x",
            "localhost.evil.example",
        ] {
            assert_eq!(status(&guard, &[("host", host)]), 421, "{host}");
        }
        let host = ("host", "localhost:8080");
        assert_eq!(status(&guard, &[]), 421);
        assert_eq!(status(&guard, &[host, host]), 421);
        assert_eq!(status(&guard, &[host, ("origin", "http://localhost:8080")]), 200);
        for origin in
            ["http://evil.example", "null", "http://localhost:8081", "http://localhost:8080.evil.example"]
        {
            assert_eq!(status(&guard, &[host, ("origin", origin)]), 403, "{origin}");
        }
        for (site, expected) in [("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)]
        {
            assert_eq!(status(&guard, &[host, ("sec-fetch-site", site)]), expected, "{site}");
        }
    }

    #[test]
    fn a_token_must_be_brought_whole() {
        let guard = Guard::new("0.0.0.0:80".parse().unwrap(), Some("secret".into()));
        let host = ("host", "10.1.2.3:80");
        assert_eq!(status(&guard, &[host, ("authorization", "Bearer secret")]), 200);
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer ", "Basic secret", "secret"] {
            assert_eq!(status(&guard, &[host, ("authorization", wrong)]), 401, "{wrong}");
        }
        assert_eq!(status(&guard, &[host]), 401);
        assert_eq!(status(&guard, &[("host", "evil.example"), ("authorization", "Bearer secret")]), 421);
    }
}
