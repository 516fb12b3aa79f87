//! A headless Chromium, spoken to over its pipe in the DevTools protocol: JSON texts, each ended by a zero byte.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(40);
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Its own profile, one tab.
pub(crate) struct Browser {
    process: Child,
    commands: File,
    answers: mpsc::Receiver<Value>,
    count: u64,
    session: Option<String>,
    /// What the page complained of: exceptions, and what the content policy forbade.
    pub(crate) complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The name of a Chromium that runs here.
pub(crate) fn present() -> Option<&'static str> {
    let runs = |name: &&&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    NAMES.iter().find(runs).copied()
}

impl Browser {
    pub(crate) fn start(name: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (to, from) = (profile.path().join("to"), profile.path().join("from"));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        // The pipe has the numbers 3 and 4, which a shell can give it.
        let process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<\"$PIPE_TO\" 4>\"$PIPE_FROM\"", name])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg("about:blank")
            .envs([("PIPE_TO", &to), ("PIPE_FROM", &from)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = OpenOptions::new().write(true).open(&to).unwrap();
        let texts = BufReader::new(File::open(&from).unwrap()).split(0);
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || texts.map_while(Result::ok).try_for_each(|text| sender.send(serde_json::from_slice(&text).unwrap())));
        let mut browser = Browser { process, commands, answers, count: 0, session: None, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut command = json!({"id": self.count, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if answer["id"] == self.count {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.listen(&answer);
        }
    }

    fn listen(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let is_error = entry["level"] == "error" && entry["source"] != "network";
        if event["method"] == "Runtime.exceptionThrown" || is_error {
            self.complaints.push(event["params"].to_string());
        }
    }

    pub(crate) fn look(&mut self, expression: &str) -> Value {
        let mut said = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true, "awaitPromise": true}));
        assert!(said.get("exceptionDetails").is_none(), "{expression}: {said}");
        said["result"]["value"].take()
    }

    /// Looks until something holds.
    pub(crate) fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.look(&format!("Boolean({expression})")) != true {
            let seen = self.look("document.body.innerText");
            assert!(begun.elapsed() < PATIENCE, "never: {expression}\n{}\n{:?}", seen.as_str().unwrap_or_default(), self.complaints);
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// Presses a key: a named one, or a space.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            "Escape" => ("Escape", 27, ""),
            " " => ("Space", 32, " "),
            "ArrowUp" => ("ArrowUp", 38, ""),
            "ArrowDown" => ("ArrowDown", 40, ""),
            _ => panic!("{key}"),
        };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        self.call("Input.dispatchKeyEvent", json!({"type": down, "key": key, "code": code, "windowsVirtualKeyCode": number, "text": text}));
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": number}));
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Goes to what `says` holds of (of `it`) as people without a mouse do.
    pub(crate) fn tab_to(&mut self, says: &str) {
        for _ in 0..40 {
            if self.look(&format!("((it) => Boolean({says}))(document.activeElement)")) == true {
                return;
            }
            self.press("Tab");
        }
        panic!("the keyboard does not reach {says}");
    }

    pub(crate) fn screen(&mut self, width: u32, height: u32, scheme: &str) {
        self.call("Emulation.setDeviceMetricsOverride", json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}));
        self.call("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}));
    }

    /// The whole page as a picture, where somebody wants to look at it.
    pub(crate) fn shot(&mut self, name: &str) {
        let Some(directory) = std::env::var_os("LEEWARD_PAGE_SHOTS") else { return };
        let data = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}))["data"].take();
        let mut decode =
            Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(File::create(Path::new(&directory).join(name)).unwrap()).spawn().unwrap();
        decode.stdin.take().unwrap().write_all(data.as_str().unwrap().as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
    }
}
