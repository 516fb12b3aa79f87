//! `leeward tap` in front of the sandbox.

use std::path::Path;
use std::process::{Child, Stdio};

use super::*;
use leeward::protocol::records::{Plain, encode};
use serde_json::Value;

/// A client of one virtual broker, which asks again and again: a listener may not be there yet.
struct Client {
    address: String,
    frames: Vec<Vec<u8>>,
}

impl Client {
    /// Sends everything on a new connection, and reads the answers.
    fn speak(&self) {
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        for frame in &self.frames {
            stream.write_all(frame).expect("sent");
            let mut length = [0; 4];
            stream.read_exact(&mut length).expect("an answer");
            let mut answer = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut answer).expect("an answer");
        }
    }
}

fn frame(client_id: &str, (api_key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
    let mut bytes = [api_key.to_be_bytes(), version.to_be_bytes()].concat();
    // Another correlation id for each: the dissector goes by it.
    bytes.extend(i32::from(api_key).to_be_bytes());
    bytes.extend(i16::try_from(client_id.len()).expect("short").to_be_bytes());
    bytes.extend(client_id.as_bytes());
    bytes.extend(body);
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], &bytes].concat()
}

/// Produce v3 to partition 0 of orders: one record.
fn produce() -> Vec<u8> {
    let record = Plain { key: Some("customer-7".into()), value: Some("three apples".into()) };
    let batch = encode(&[record], 1_700_000_000_000);
    let length = i32::try_from(batch.len()).expect("short").to_be_bytes();
    // No transaction, acks=1, 30 s, one topic, one partition.
    let head = [&[0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 6][..], b"orders", &[0, 0, 0, 1, 0, 0, 0, 0], &length].concat();
    frame("apples", (0, 3), &[&head[..], &batch].concat())
}

/// Metadata v1 for orders.
fn metadata() -> Vec<u8> {
    frame("looks", (3, 1), &[&[0, 0, 0, 1, 0, 6][..], b"orders"].concat())
}

/// `leeward tap` until it has seen enough, with the client speaking meanwhile.
fn tapped(running: &Running, clients: &[Client], arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
    let command = command.arg("tap").args(arguments).args(["--admin", &running.admin]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().expect("the program runs");
    let began = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "{arguments:?} has not seen enough");
        clients.iter().for_each(Client::speak);
    }
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ended");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn requests(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let lines = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter_map(|line| line.get("request").cloned()).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_seen_as_they_pass() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    sandbox.create_topic("orders", 1, 3, 1).await.expect("a topic");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let status = running.json(&["status"]);
    let brokers = status["cluster"]["brokers"].as_array().expect("brokers");
    // Two of the three do not lead it, so their answers are kept from the client, and the records go to the leader.
    let client = |broker: &Value| Client { address: text(broker, "/virtual_broker").to_owned(), frames: vec![metadata(), produce()] };
    let clients: Vec<_> = brokers.iter().map(client).collect();

    let produced = requests(&tapped(&running, &clients, &["--count", "12", "-o", "json", "--api", "Produce", "--client", "app*", "--topic", "orders"]));
    assert_eq!(produced.len(), 12);
    for request in &produced {
        assert_eq!((text(request, "/client_id"), text(request, "/end"), &request["acks"]), ("apples", "answered", &1.into()), "{request:#}");
        assert_eq!((text(request, "/topics/0/name"), &request["topics"][0]["partitions"][0]["records"]), ("orders", &1.into()), "{request:#}");
        assert!(request["errors"].is_null() && request["broker_micros"].as_u64() > Some(0) && request["records"].is_null(), "{request:#}");
    }
    let held = produced.iter().find(|request| request["guard"]["held"] == true).expect("one that its broker does not lead");
    assert_eq!((text(held, "/guard/hold_end"), text(held, "/guard/absorbed/0")), ("resent", "NOT_LEADER_OR_FOLLOWER"), "{held:#}");
    assert!(held["guard"]["resent"].as_u64() > Some(0), "{held:#}");
    assert!(produced.iter().any(|request| request["guard"].is_null()), "one that its broker leads");

    let kept = requests(&tapped(&running, &clients, &["--count", "2", "-o", "json", "--error", "NOT_LEADER_OR_FOLLOWER"]));
    assert!(kept.iter().all(|request| request["guard"]["held"] == true), "{kept:?}");
    let ran = tapped(&running, &clients, &["--count", "5", "--sample", "2", "--rate", "2"]);
    assert!(ran.out.contains("Metadata v1") || ran.out.contains("Produce v3"), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
    assert!(ran.err.contains(" left out: ") && ran.err.contains("more than 2 in a second (--rate, --sample)"), "{}", ran.err);

    records_need_a_permission(&mut running, &clients);
    drop(running);
    sandbox.shutdown().await;
}

fn records_need_a_permission(running: &mut Running, clients: &[Client]) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    let ran = running.tell(&["tap", "--records"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("tap.records is false; set tap.records = true"), "{}", ran.err);
    let ran = tapped(running, clients, &["--count", "20", "--pcap", &path]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    assert!(ran.err.contains("20 requests with their frames; open it with: wireshark -d tcp.port=="), "{}", ran.err);
    let bytes = std::fs::read(&path).expect("the file");
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    assert!(holds(&bytes, b"orders") && !holds(&bytes, b"apples\x00three") && !holds(&bytes, b"three apples"), "records are zeros");
    dissected(file.path(), 20);

    running.rewrite("tap.records = true\n");
    assert_eq!(running.tell(&["reload"]).code, Some(0));
    let shown = requests(&tapped(running, clients, &["--count", "1", "-o", "json", "--api", "Produce", "--records"]));
    let record = shown.first().and_then(|request| request.pointer("/records/0")).expect("a record");
    assert_eq!((text(record, "/key/text"), text(record, "/value/text"), text(record, "/topic")), ("customer-7", "three apples", "orders"));
    let ran = tapped(running, clients, &["--count", "1", "--api", "0", "--records"]);
    assert!(ran.out.contains("orders 0 +0: \"customer-7\" = \"three apples\""), "{}", ran.out);
    tapped(running, clients, &["--count", "20", "--pcap", &path]);
    assert!(holds(&std::fs::read(&path).expect("the file"), b"three apples"));
    dissected(file.path(), 20);
}

/// Wireshark's own reading of the file: nothing malformed, no sequence number or checksum wrong, every request with its answer.
fn dissected(file: &Path, requests: usize) {
    let fields = |filter: &str, names: &[&str], kafka: &[String]| {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(file).args(kafka).args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", filter, "-T", "fields"]);
        let ran = command.args(names.iter().flat_map(|name| ["-e", name])).output()?;
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let lines = String::from_utf8_lossy(&ran.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
        Ok::<_, std::io::Error>(lines)
    };
    let ports = match fields("tcp.flags.syn == 1 && tcp.flags.ack == 0", &["tcp.dstport"], &[]) {
        Ok(ports) => ports,
        // Straight to the file descriptor: the test harness holds back what a test prints until it has failed.
        Err(error) => return writeln!(std::io::stderr(), "skipped: tshark: {error}; Debian's package tshark has it").expect("said"),
    };
    let kafka: Vec<_> = ports.iter().flat_map(|port| ["-d".to_owned(), format!("tcp.port=={port},kafka")]).collect();
    let fields = |filter, names: &[&str]| fields(filter, names, &kafka).expect("tshark");
    let wrong = "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\" || kafka.request_frame == 0";
    assert_eq!(fields(wrong, &["frame.number", "_ws.col.Info", "_ws.expert.message"]), Vec::<String>::new());
    let asked = fields("kafka.request_key", &["kafka.request_key", "kafka.client_id", "kafka.topic_name"]);
    assert!(asked.iter().any(|line| line == "0\tapples\torders") && asked.iter().any(|line| line == "3\tlooks\torders"), "{asked:?}");
    let answered = fields("kafka.request_frame", &["kafka.correlation_id"]);
    assert_eq!(answered.len(), requests, "every answer is matched with its request");
}
