//! A browser, driven over WebDriver (W3C): Chromium, headless.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::send;

/// A browser window.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    downloads: tempfile::TempDir,
}

/// The keys of WebDriver.
pub const TAB: &str = "\u{e004}";
pub const SPACE: &str = "\u{e00d}";
pub const RIGHT: &str = "\u{e014}";

/// A driver and where it listens. It draws a port, and ends without one if that is taken by then.
fn driver() -> std::io::Result<(Child, SocketAddr)> {
    for _ in 0..5 {
        let command =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = command?;
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .into_iter()
            .find_map(|l| l.strip_suffix('.')?.rsplit_once("successfully on port ")?.1.parse().ok());
        if let Some(port) = port {
            return Ok((driver, SocketAddr::from(([127, 0, 0, 1], port))));
        }
        driver.kill()?;
        driver.wait()?;
    }
    panic!("chromedriver listens at no port")
}

impl Browser {
    /// Starts one; none, said aloud, where there is no browser. Under CI there must be one.
    pub fn start() -> Option<Self> {
        let (driver, address) = match driver() {
            Ok(found) => found,
            Err(e) => {
                let advice = "install Chromium and its driver: scripts/setup-browser";
                assert!(std::env::var_os("CI").is_none(), "chromedriver: {e}: {advice}");
                eprintln!("SKIPPED: no browser (chromedriver: {e}): {advice}");
                return None;
            }
        };
        let downloads = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "SEVERE"},
            "timeouts": {"script": 120_000},
            "goog:chromeOptions": {"args": arguments, "prefs": {"download.default_directory": downloads.path()}},
        }}});
        let mut browser = Self { driver, address, session: String::new(), downloads };
        let answer = browser.call("POST", "/session", &capabilities);
        browser.session =
            format!("/session/{}", answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}")));
        Some(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = send(self.address, method, path, "Content-Type: application/json\r\n", body.as_bytes());
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer}");
        answer.json()["value"].clone()
    }

    fn command(&self, path: &str, body: Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), &body)
    }

    /// A command of Chromium's own.
    fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.command("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    pub fn open(&self, link: &str) {
        self.command("/url", json!({"url": "about:blank"}));
        self.command("/url", json!({"url": link}));
    }

    /// A window of that size in CSS pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.chromium("Emulation.setDeviceMetricsOverride", size);
    }

    /// What the system would say of dark and light.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.chromium("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// The value of an expression.
    pub fn value(&self, expression: &str) -> Value {
        self.command("/execute/sync", json!({"script": format!("return {expression};"), "args": []}))
    }

    /// The numbers that a script hands to its callback.
    pub fn command_async(&self, script: &str) -> Vec<f64> {
        let found = self.command("/execute/async", json!({"script": script, "args": []}));
        found.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    pub fn number(&self, expression: &str) -> f64 {
        let value = self.value(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    pub fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != true {
            if begun.elapsed() > Duration::from_secs(20) {
                let said = self.value("[document.getElementById('problem')?.textContent, document.getElementById('status')?.textContent]");
                panic!("never: {expression}; the page says {said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Does something, waits until the page shows another answer.
    pub fn answered<T>(&self, act: impl FnOnce() -> T) -> T {
        let answers = "Number(document.documentElement.dataset.answered ?? 0)";
        let before = self.number(answers);
        let result = act();
        self.until(&format!(
            "{answers} > {before} && document.documentElement.dataset.waiting === undefined"
        ));
        result
    }

    /// Presses and releases keys, wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        self.command("/actions", json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
    }

    /// Drags from a place to a place, in CSS pixels of the window.
    pub fn drag(&self, from: [f64; 2], to: [f64; 2]) {
        let to_place = |[x, y]: [f64; 2], duration: u32| json!({"type": "pointerMove", "duration": duration, "x": x.round(), "y": y.round()});
        let middle = [0, 1].map(|i| (from[i] + to[i]) / 2.0);
        let actions = json!([
            to_place(from, 0), {"type": "pointerDown", "button": 0}, to_place(middle, 50), to_place(to, 50),
            {"type": "pointerUp", "button": 0},
        ]);
        let pointer = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions});
        self.command("/actions", json!({"actions": [pointer]}));
    }

    pub fn click(&self, selector: &str) {
        let element = self.command("/element", json!({"using": "css selector", "value": selector}));
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.command(&format!("/element/{id}/click"), json!({}));
    }

    /// Gives a file to an input.
    pub fn give(&self, selector: &str, path: &std::path::Path) {
        let element = self.command("/element", json!({"using": "css selector", "value": selector}));
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.command(&format!("/element/{id}/value"), json!({"text": path.display().to_string()}));
    }

    /// A file that was kept, once it is whole.
    pub fn downloaded(&self, name: &str) -> Vec<u8> {
        let path = self.downloads.path().join(name);
        let begun = Instant::now();
        while !path.exists() {
            let there: Vec<_> =
                std::fs::read_dir(self.downloads.path()).unwrap().flatten().map(|e| e.file_name()).collect();
            assert!(begun.elapsed() < Duration::from_secs(20), "no {name} in the downloads: {there:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::read(path).unwrap()
    }

    /// What the window shows; kept as a file where INVNET_SCREENSHOTS names a folder.
    pub fn screenshot(&self, name: &str) -> Vec<u8> {
        let text = self.call("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
        if let Some(folder) = std::env::var_os("INVNET_SCREENSHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), &bytes).unwrap();
        }
        bytes
    }

    /// What the page wrote to its console as errors: nothing, as a rule.
    pub fn errors(&self) -> Vec<String> {
        let entries = self.command("/se/log", json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().filter(|e| e["level"] == "SEVERE").map(|e| e["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &self.session, &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
