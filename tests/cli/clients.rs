//! `leeward clients` in front of the sandbox.

use super::*;

/// Sends a request with this client id and waits for its answer, or for the end of the connection.
fn request(stream: &mut TcpStream, client_id: &str, (api_key, version): (i16, i16), body: &[u8]) {
    let mut frame = Vec::new();
    frame.extend(api_key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 0, 7]);
    frame.extend(i16::try_from(client_id.len()).expect("short").to_be_bytes());
    frame.extend(client_id.as_bytes());
    frame.extend(body);
    stream.write_all(&u32::try_from(frame.len()).expect("short").to_be_bytes()).expect("sent");
    stream.write_all(&frame).expect("sent");
    let mut length = [0; 4];
    if stream.read_exact(&mut length).is_ok() {
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).expect("an answer");
    }
}

const LIST_OFFSETS: i16 = 2;

/// ListOffsets v0 and v2 of no topic.
const OF_NO_TOPIC_V0: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

const OF_NO_TOPIC_V2: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0];

/// Produce v3 with acks=1 and one partition of a topic, without records.
fn nothing_for(topic: &str) -> Vec<u8> {
    let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1];
    body.extend(u16::try_from(topic.len()).expect("short").to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_a_topic_is_known_over_several_leewards_and_a_restart() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let (mut running, other) = (Running::start(&sandbox.bootstrap()), Running::start(&sandbox.bootstrap()));
    running.healthy("3 of 3 brokers reachable");
    other.healthy("3 of 3 brokers reachable");
    let write = |running: &Running, client_id: &str, topic: &str| {
        let mut stream = TcpStream::connect(running.bootstrap()).expect("connected");
        request(&mut stream, client_id, (0, 3), &nothing_for(topic));
    };
    write(&running, "billing", "orders");
    write(&running, "audit", "logins");
    write(&other, "billing", "refunds");
    write(&other, "shop", "orders");
    let users = |running: &Running, more: &[&str]| -> Vec<String> {
        let seen = running.json(&[&["clients", "--sort", "id"], more].concat());
        seen["clients"].as_array().expect("rows").iter().map(|row| row["client_id"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(users(&running, &["--topic", "orders"]), ["billing"]);
    assert_eq!(users(&running, &["--topic", "orders", "--and", &other.admin]), ["billing", "shop"]);
    assert_eq!(users(&running, &["--topic", "refunds"]), Vec::<String>::new());
    assert_eq!(users(&running, &["--topic", "*", "--and", &other.admin]), ["audit", "billing", "shop"]);
    let both = running.json(&["clients", "--client-id", "billing", "--and", &other.admin]);
    let topics: Vec<_> =
        both["clients"][0]["topics"].as_array().expect("topics").iter().map(|topic| (&topic["name"], topic["last_written"].is_string())).collect();
    assert_eq!(topics, [(&"orders".into(), true), (&"refunds".into(), true)]);
    let ran = running.tell(&["clients", "--topic", "orders", "--and", &other.admin]);
    assert!(ran.code == Some(0) && ran.out.starts_with("2 client ids and kinds of software write or read orders; seen since"), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("WROTE") && ran.out.contains("shop") && !ran.out.contains("audit"), "{}", ran.out);
    let ran = running.tell(&["clients", "--topics"]);
    assert!(ran.out.contains("TOPICS") && ran.out.contains("logins"), "{}", ran.out);

    running.signal("TERM");
    assert_eq!(running.process.wait().expect("it ends").code(), Some(0));
    (running.process, running.lines) = Running::spawn(&running.config);
    running.healthy("3 of 3 brokers reachable");
    assert_eq!(users(&running, &["--topic", "orders"]), ["billing"], "written at the end, and read again");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_shown_judged_and_remembered() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    assert!(running.tell(&["clients"]).out.starts_with("0 connections, 0 client ids"), "{}", running.tell(&["clients"]).out);
    let ran = running.tell(&["clients", "--incompatible-with", "4.0"]);
    assert_eq!((ran.code, ran.out.starts_with("0 would break with Kafka 4.0")), (Some(0), true), "{}", ran.out);

    let bootstrap = running.bootstrap();
    let mut new = TcpStream::connect(&bootstrap).expect("connected");
    // ApiVersions v3: tags of the header, two compact strings, tags.
    let software = [&[0, 11][..], b"librdkafka", &[6], b"2.3.0", &[0]].concat();
    request(&mut new, "orders", (18, 3), &software);
    request(&mut new, "orders", (LIST_OFFSETS, 2), &OF_NO_TOPIC_V2);
    let mut old = TcpStream::connect(&bootstrap).expect("connected");
    request(&mut old, "old \u{1b}[31mapp", (LIST_OFFSETS, 0), &OF_NO_TOPIC_V0);
    drop(old);
    let started = Instant::now();
    while running.json(&["clients"])["connections"].as_array().map(Vec::len) != Some(1) {
        assert!(started.elapsed() < Duration::from_secs(10), "a session that ended is gone");
    }

    let seen = running.json(&["clients", "--sort", "id"]);
    let [first, second] = seen["clients"].as_array().expect("rows").as_slice() else { panic!("{seen}") };
    assert_eq!(
        (&first["client_id"], &first["connections"], &first["sessions"], &first["requests"]),
        (&"old \u{1b}[31mapp".into(), &0.into(), &1.into(), &1.into())
    );
    assert_eq!(second["software"], serde_json::json!({"name": "librdkafka", "version": "2.3.0", "inferred": false}));
    assert_eq!((&second["connections"], &second["asked_versions_with"], &second["api_versions"]["ListOffsets"]["highest"]), (&1.into(), &3.into(), &2.into()));
    assert_eq!(seen["connections"][0]["client_id"], "orders");
    assert!(second["read_bytes"].as_u64() > Some(50) && second["written_bytes"].as_u64() > Some(50), "{second}");
    let table = running.tell(&["clients", "--software", "RDKAFKA"]).out;
    assert!(table.contains("orders") && table.contains("librdkafka 2.3.0") && !table.contains("app"), "{table}");
    let table = running.tell(&["clients", "--connections", "--client-id", "orders"]).out;
    assert!(table.contains("127.0.0.1:") && table.contains("USER"), "{table}");

    let breaks = |running: &Running| {
        let ran = running.tell(&["clients", "--incompatible-with", "4.0"]);
        assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("1 would break with Kafka 4.0, 0 cannot be told, 1 fine"), "{}", ran.out);
        assert!(ran.out.contains("ListOffsets v0 was removed, 4.0 takes v1 and later") && !ran.out.contains('\u{1b}'), "{}", ran.out);
        assert!(!ran.out.contains("orders"), "{}", ran.out);
    };
    breaks(&running);
    let ran = running.tell(&["clients", "--incompatible-with", "4.0", "--client-id", "orders", "--all"]);
    assert_eq!((ran.code, ran.out.contains("fine  orders")), (Some(0), true), "{}", ran.out);
    assert_eq!(running.tell(&["clients", "--incompatible-with", "3.9"]).code, Some(0));
    assert_eq!(running.tell(&["clients", "--incompatible-with", "5.0"]).code, Some(2));

    // Another Leeward in front of the same cluster has clients of its own.
    let other = Running::start(&sandbox.bootstrap());
    other.healthy("3 of 3 brokers reachable");
    let mut elsewhere = TcpStream::connect(other.bootstrap()).expect("connected");
    request(&mut elsewhere, "elsewhere", (LIST_OFFSETS, 2), &OF_NO_TOPIC_V2);
    request(&mut elsewhere, "elsewhere", (LIST_OFFSETS, 2), &OF_NO_TOPIC_V2);
    let both = running.json(&["clients", "--sort", "id", "--and", &other.admin]);
    let ids: Vec<_> = both["clients"].as_array().expect("rows").iter().map(|row| row["client_id"].as_str().expect("a text")).collect();
    assert_eq!(ids, ["elsewhere", "old \u{1b}[31mapp", "orders"]);
    let ran = other.tell(&["clients", "--incompatible-with", "4.0", "--and", &running.admin]);
    assert!(ran.code == Some(3) && ran.out.contains("1 would break with Kafka 4.0, 0 cannot be told, 2 fine"), "{}{}", ran.out, ran.err);
    let ran = running.tell(&["clients", "--incompatible-with", "4.0", "--and", "127.0.0.1:1"]);
    assert!(ran.code == Some(1) && ran.err.contains("no Leeward answers on 127.0.0.1:1"), "{}", ran.err);

    // Written at the end, and read again: who would break is known before they come back.
    drop(new);
    running.signal("TERM");
    assert_eq!(running.process.wait().expect("it ends").code(), Some(0));
    let file = std::fs::read_to_string(running.state.path().join("leeward-state/clients.json")).expect("what is kept");
    assert!(file.contains("orders"), "{file}");
    (running.process, running.lines) = Running::spawn(&running.config);
    running.healthy("3 of 3 brokers reachable");
    breaks(&running);
    sandbox.shutdown().await;
}
