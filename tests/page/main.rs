//! The page in a real browser, in front of the sandbox: what it shows, and that the keyboard alone does everything.
//!
//! Needs Chromium; without it the test says so and passes. `LEEWARD_PAGE=off` leaves it out; `LEEWARD_PAGE_SHOTS=DIRECTORY` keeps pictures to look at.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

mod browser;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use browser::Browser;
use leeward::sandbox::{Sandbox, SandboxConfig};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

const WRITER: &str = "writer-0123456789";
const READER: &str = "reader-0123456789";

struct Running {
    process: Child,
    admin: String,
    bootstrap: String,
    _state: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PORTS: u16 = 10;

/// So many ports in a row that nobody listens on now, below those that the system gives to outgoing connections.
fn free_ports() -> u16 {
    let free = |first: &u16| (*first..first + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (0..1000).map(|_| fastrand::u16(20_000..32_000)).find(free).unwrap()
}

impl Running {
    fn start(sandbox: &Sandbox) -> Self {
        let (first, state) = (free_ports(), tempfile::tempdir().unwrap());
        let (admin, bootstrap) = (format!("127.0.0.1:{}", first + PORTS - 1), format!("127.0.0.1:{first}"));
        let text = format!(
            "upstream.bootstrap = [\"{}\"]\nlisten.bootstrap = \"{bootstrap}\"\nlisten.virtual_brokers.range = 6\nadmin.listen = \"{admin}\"\n\
             state.directory = {:?}\n[admin.tokens]\nread_only = {{ scraper = \"{READER}\" }}\nread_write = {{ ops = \"{WRITER}\" }}\n",
            sandbox.brokers()[0].1,
            state.path().join("state").display().to_string()
        );
        let path = state.path().join("leeward.toml");
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_leeward")).args(["run", "--config"]).arg(path).stderr(Stdio::null()).spawn().unwrap();
        let running = Running { process, admin, bootstrap, _state: state };
        running.tell(&["status", "--wait", "--timeout", "30"]);
        running
    }

    fn tell(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        let ran = command.args(arguments).args(["--admin", &self.admin]).env("LEEWARD_TOKEN", WRITER).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// What `leeward clients` says of a release; its exit code says that somebody would break.
    fn ask_clients(&self, release: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        let ran = command.args(["clients", "--incompatible-with", release, "--admin", &self.admin]).env("LEEWARD_TOKEN", READER).output().unwrap();
        assert_eq!(ran.status.code(), Some(3));
        String::from_utf8(ran.stdout).unwrap()
    }
}

/// Produces one record after another, until it is dropped.
fn traffic(bootstrap: &str) -> tokio::task::JoinHandle<()> {
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", bootstrap).set("linger.ms", "0").create().unwrap();
    tokio::spawn(async move {
        for number in 0_u64.. {
            let (key, payload) = (number.to_string(), "cargo");
            // What the page shows is looked at, not what the client is told.
            let _ = producer.send(FutureRecord::to("orders").key(&key).payload(payload), Duration::from_secs(10)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// The state of a broker as its tile shows it.
fn tile(node: i32, state: &str) -> String {
    format!("document.querySelector('#tiles > [data-key=\"{node}\"] .pill')?.textContent.endsWith(' {state}')")
}

/// Presses the button that says this, and answers what it asks; with the keyboard alone.
fn command(browser: &mut Browser, button: &str, reason: &str, key: &str) {
    browser.tab_to(&format!("it.textContent === {}", json!(button)));
    browser.press(key);
    browser.until("document.querySelector('#confirm').open && document.activeElement.id === 'c-reason'");
    browser.type_in(reason);
    browser.press("Enter");
    browser.until("!document.querySelector('#confirm').open");
}

/// Texts whose colour is too near to what is behind them, for WCAG AA.
const PALE: &str = r"(() => {
  const parts = (colour) => { const c = document.createElement('canvas').getContext('2d', { willReadFrequently: true }); c.fillStyle = colour; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
  const shown = [...document.querySelectorAll('main *, header *, #news')].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return shown.map((e) => { const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x); return [(a + 0.05) / (b + 0.05), e.textContent]; }).filter(([ratio]) => ratio < 4.5);
})()";

fn looks_right(browser: &mut Browser, name: &str) {
    for (width, height, device) in [(1280, 900, "desk"), (360, 740, "phone")] {
        for scheme in ["light", "dark"] {
            browser.screen(width, height, scheme);
            browser.until("document.getAnimations().every((it) => it.playState === 'finished')");
            let wide = browser.look("document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(width.into()), "{name}, {device}: {wide} wide");
            assert_eq!(browser.look(PALE), json!([]), "{name}, {device}, {scheme}: too pale");
            browser.shot(&format!("{name}-{device}-{scheme}.png"));
        }
    }
    browser.screen(1280, 900, "light");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_what_is_and_does_what_the_keyboard_says() {
    let chromium = browser::present().filter(|_| std::env::var("LEEWARD_PAGE").as_deref() != Ok("off"));
    let Some(chromium) = chromium else {
        eprintln!("left out: the page is tested with Chromium, which is not here or not wanted (apt-get install chromium; LEEWARD_PAGE)");
        return;
    };
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 6, 3, 2).await.unwrap();
    let running = Running::start(&sandbox);
    let mut browser = Browser::start(chromium);
    browser.screen(1280, 900, "light");
    let url = format!("http://{}/", running.admin);
    browser.open(&url);

    // A token is asked for, and goes nowhere but into a header.
    browser.until("document.querySelector('#ask-token')?.open");
    browser.type_in("nonsense-0123456789");
    browser.press("Enter");
    browser.until("document.querySelector('#ask-token').open && !document.querySelector('#token-problem').hidden");
    browser.shot("token.png");
    browser.type_in(WRITER);
    browser.press("Enter");
    for node in 1..=3 {
        browser.until(&tile(node, "serving"));
    }
    assert_eq!(browser.look("[location.href, sessionStorage.length, document.cookie]"), json!([url, 0, ""]));

    let traffic = traffic(&running.bootstrap);
    let row = "[...document.querySelectorAll('#apis tr')].find((row) => row.dataset.key === 'Produce')";
    browser.until(&format!("parseFloat({row}?.children[1].textContent) > 1 && {row}.children[3].textContent.endsWith('s')"));

    // A window is opened and closed.
    command(&mut browser, "Open a window…", "kernel <b>patches</b>", "Enter");
    browser.until("document.querySelector('#windows')?.textContent.includes('w1: kernel <b>patches</b>, by token ops (operator)')");
    assert_eq!(browser.look("document.activeElement.id"), "open-window", "the focus is where it was");
    browser.until("document.querySelector('#news').textContent.includes('maintenance windows open: 1')");
    browser.until("document.querySelector('#audit').textContent.includes('window opened: kernel')");
    assert!(running.tell(&["maintenance", "status"]).contains("kernel"));
    command(&mut browser, "Close w1…", "done", " ");
    browser.until("document.querySelector('#windows').children.length === 0");

    // A broker is drained; whoever thinks again leaves it as it is.
    browser.tab_to("it.textContent === 'Drain broker 2…'");
    browser.press("Enter");
    browser.until("document.querySelector('#confirm').open");
    looks_right(&mut browser, "confirm");
    browser.press("Escape");
    browser.until("!document.querySelector('#confirm').open && document.activeElement.textContent === 'Drain broker 2…'");
    command(&mut browser, "Drain broker 2…", "new disk", "Enter");
    browser.until(&tile(2, "drained"));
    browser.until("document.querySelector('#news').textContent.includes('broker 2: drained')");
    command(&mut browser, "Bring broker 2 back…", "disk is in", "Enter");
    browser.until(&tile(2, "serving"));

    // A roll goes on, and stops where the page says.
    running.tell(&["roll", "start", "--reason", "patches", "--checks", "1", "--every", "200ms", "--yes"]);
    browser.until("document.querySelector('#roll-state').textContent === 'running'");
    browser.until(&tile(1, "drained"));
    command(&mut browser, "Pause the roll…", "lunch", "Enter");
    browser.until("document.querySelector('#roll-state').textContent === 'paused'");
    // The focus is on the button that took the other's place.
    browser.until("document.activeElement.id === 'roll-resume'");
    sandbox.stop(1).await.unwrap();
    browser.until(&tile(1, "down"));

    // With one broker of three there is nobody who may take a record: what clients send is held, and told.
    sandbox.kill(3).unwrap();
    browser.until("/^[1-9]/.test(document.querySelector('#f-held').textContent) && document.querySelector('#c-held').getAttribute('d') !== ''");
    browser.until(&tile(3, "down"));
    browser.until("Number(document.querySelector('#f-absorbed').textContent.replaceAll(',', '')) > 0");
    looks_right(&mut browser, "roll");
    sandbox.start_broker(3).await.unwrap();
    browser.until(&tile(3, "serving"));
    browser.until("document.querySelector('#f-held').textContent === '0'");
    traffic.abort();
    // Whether an error got through with two of three brokers gone is the guard's affair; if one did, the page names its client.
    browser.until("(document.querySelector('#f-reached').textContent !== '0') === (document.querySelector('#harmed').children.length > 0)");
    browser.shot("after.png");

    // Where Leeward is gone, that is said.
    drop(running);
    browser.until("document.querySelector('#live').textContent.includes('no connection')");
    assert_eq!(browser.complaints, Vec::<String>::new());
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reassignment_is_shown_and_paused_and_goes_on() {
    let Some(chromium) = browser::present().filter(|_| std::env::var("LEEWARD_PAGE").as_deref() != Ok("off")) else { return };
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 1, 3, 2).await.unwrap();
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", sandbox.bootstrap()).create().unwrap();
    // Some seconds at the throttle below.
    for _ in 0..20 {
        producer.send(FutureRecord::<(), _>::to("orders").payload(&[0; 100_000][..]), Duration::from_secs(30)).await.unwrap();
    }
    assert_eq!(sandbox.add_broker().await.unwrap(), 4);
    let replicas = sandbox.state().partitions.iter().find(|now| now.topic == "orders").unwrap().replicas.clone();
    let plan = json!({"version": 1, "partitions": [{"topic": "orders", "partition": 0, "replicas": [replicas[0], replicas[1], 4]}]});
    let running = Running::start(&sandbox);
    let mut browser = Browser::start(chromium);
    browser.screen(1280, 900, "light");
    browser.open(&format!("http://{}/", running.admin));
    browser.until("document.querySelector('#ask-token')?.open");
    browser.type_in(WRITER);
    browser.press("Enter");
    browser.until(&tile(4, "serving"));
    assert_eq!(browser.look("document.querySelector('#reassign').hidden"), json!(true));

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(plan.to_string().as_bytes()).unwrap();
    let file = file.path().to_str().unwrap();
    running.tell(&["reassign", "run", "--in", file, "--reason", "a fourth broker", "--throttle-min", "100KiB", "--throttle-max", "100KiB", "--yes"]);
    browser.until("document.querySelector('#reassign-state').textContent === 'running'");
    browser.until("document.querySelector('#reassign-legs').textContent.includes('orders')");
    looks_right(&mut browser, "reassign");
    command(&mut browser, "Pause the reassignment…", "lunch", "Enter");
    browser.until("document.querySelector('#reassign-state').textContent === 'paused'");
    // The focus is on the button that took the other's place.
    browser.until("document.activeElement.id === 'reassign-resume'");
    command(&mut browser, "Go on with the reassignment…", "lunch is over", "Enter");
    browser.until("document.querySelector('#reassign-state').textContent === 'done'");
    let replicas = sandbox.state().partitions.iter().find(|now| now.topic == "orders").unwrap().replicas.clone();
    assert!(replicas.contains(&4), "{replicas:?}");
    assert_eq!(browser.complaints, Vec::<String>::new());
    sandbox.shutdown().await;
}

/// One ListOffsets v0, which 4.0 removed, of a client that asks for no versions and so cannot do better; the connection stays as long as it is held.
fn old_client(bootstrap: &str, client_id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(bootstrap).unwrap();
    let mut frame = vec![0, 2, 0, 0, 0, 0, 0, 7, 0, u8::try_from(client_id.len()).unwrap()];
    frame.extend(client_id.as_bytes());
    frame.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    stream.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&frame).unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_an_upgrade_would_break_is_shown_for_the_release_that_is_chosen() {
    let Some(chromium) = browser::present().filter(|_| std::env::var("LEEWARD_PAGE").as_deref() != Ok("off")) else { return };
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let running = Running::start(&sandbox);
    let old = old_client(&running.bootstrap, "sarama <b>1.20</b>");
    let mut browser = Browser::start(chromium);
    browser.screen(1280, 900, "light");
    let url = format!("http://{}/", running.admin);
    browser.open(&url);
    browser.until("document.querySelector('#ask-token')?.open");
    browser.type_in(READER);
    browser.press("Enter");
    browser.until("document.querySelector('#breaks-line').textContent.startsWith('1 would break with Kafka 4.4, 0 cannot be told, 0 fine; seen since ')");
    let row = "document.querySelector('#breaks > li')";
    assert_eq!(browser.look(&format!("[{row}.children[0].textContent, {row}.children[1].textContent]")), json!(["breaks", "sarama <b>1.20</b>"]));
    let why = browser.look(&format!("{row}.textContent"));
    let why = why.as_str().unwrap();
    for said in [
        "ListOffsets v0 was removed, 4.4 takes v1 and later; last seen",
        "raise Config.Version to V2_1_0_0 or later",
        "KIP-896",
        "1 connection; address 127.0.0.1",
    ] {
        assert!(why.contains(said), "{said}: {why}");
    }
    looks_right(&mut browser, "breaks");

    // The answer is that of the command, for each release that the keyboard chooses.
    let chosen = "document.querySelector('#breaks-release').value";
    browser.tab_to("it.id === 'breaks-release'");
    while browser.look(chosen) != "3.9" {
        let before = browser.look(chosen);
        browser.press("ArrowDown");
        browser.until(&format!("{chosen} !== {before}"));
    }
    browser.until("document.querySelector('#breaks-line').textContent.startsWith('0 would break with Kafka 3.9, 0 cannot be told, 1 fine; ')");
    browser.until("document.querySelector('#breaks').children.length === 0");
    browser.press("ArrowUp");
    browser.until("document.querySelector('#breaks-line').textContent.startsWith('1 would break with Kafka 4.0, ')");
    assert_eq!(browser.look("document.activeElement.id"), "breaks-release");
    let told = running.ask_clients("4.0");
    let shown = browser.look("document.querySelector('#breaks-line').textContent");
    assert!(shown.as_str().unwrap().starts_with(told.split(';').next().unwrap()), "{shown} {told}");

    // Who has gone is still named: the upgrade would break it when it comes back.
    drop(old);
    while !running.tell(&["clients", "--connections"]).starts_with("0 connections") {}
    browser.press("ArrowUp");
    browser.until(&format!("{row}?.querySelector('.quiet').textContent.startsWith('last seen ')"));
    assert_eq!(browser.look("[location.href, document.cookie]"), json!([url, ""]));
    assert_eq!(browser.complaints, Vec::<String>::new());
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_only_look_is_told_so() {
    let Some(chromium) = browser::present().filter(|_| std::env::var("LEEWARD_PAGE").as_deref() != Ok("off")) else { return };
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let running = Running::start(&sandbox);
    let mut browser = Browser::start(chromium);
    browser.open(&format!("http://{}/", running.admin));
    browser.until("document.querySelector('#ask-token')?.open");
    browser.type_in(READER);
    browser.press("Enter");
    browser.until(&tile(1, "serving"));
    browser.tab_to("it.id === 'open-window'");
    browser.press("Enter");
    browser.until("document.querySelector('#confirm').open");
    browser.type_in("patches");
    browser.press("Enter");
    browser.until("document.querySelector('#c-problem').textContent.includes('may see everything and change nothing')");
    assert_eq!(browser.look("document.querySelector('#windows').children.length"), 0);
    sandbox.shutdown().await;
}
