//! The page: its files, compiled in.

use sha2::{Digest, Sha256};

/// A file of the page.
pub(super) struct Asset {
    /// Where it is asked for.
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $file:literal, $kind:expr) => {
        Asset { path: $path, kind: $kind, bytes: include_bytes!(concat!("page/", $file)) }
    };
}

/// All of them.
pub(super) const ASSETS: &[Asset] = &[
    asset!("/", "index.html", HTML),
    asset!("/style.css", "style.css", CSS),
    asset!("/icon.svg", "icon.svg", "image/svg+xml"),
    asset!("/main.js", "main.js", SCRIPT),
    asset!("/api.js", "api.js", SCRIPT),
    asset!("/dom.js", "dom.js", SCRIPT),
    asset!("/controls.js", "controls.js", SCRIPT),
    asset!("/curve.js", "curve.js", SCRIPT),
    asset!("/figures.js", "figures.js", SCRIPT),
    asset!("/image.js", "image.js", SCRIPT),
    asset!("/pictures.js", "pictures.js", SCRIPT),
    asset!("/results.js", "results.js", SCRIPT),
    asset!("/take.js", "take.js", SCRIPT),
    asset!("/training.js", "training.js", SCRIPT),
    asset!("/within.js", "within.js", SCRIPT),
];

impl Asset {
    /// Names this content: another program has another.
    pub(super) fn tag(&self) -> String {
        format!("\"{:.16x}\"", Sha256::digest(self.bytes))
    }
}
