//! `invnet serve`: the interface, clients that mean no good, and the page in a real browser.

#![cfg(feature = "page")]
#![allow(clippy::unwrap_used)]

mod api;
mod browser;
mod driver;
mod hostile;
mod http;
mod served;
