use super::*;
use crate::admin::clients::{Connection, Judged, Library, Reason, Software, TopicUse};
use crate::cli::output::{Paint, WIDTH};

const PLAIN: Paint = Paint { colour: false };

fn client(client_id: &str, rate: f64, idle: f64) -> Client {
    Client { client_id: client_id.to_owned(), requests_per_second: rate, idle_seconds: idle, ..Client::default() }
}

fn of(clients: Vec<Client>) -> Clients {
    let connections = clients.iter().map(|client| Connection { address: "10.0.0.1:5000".to_owned(), node_id: Some(1), client: client.clone() }).collect();
    Clients { at: String::new(), since: "2026-11-26T06:14:40Z".to_owned(), problem: None, incompatible_with: None, clients, left_out: None, connections }
}

fn topic(name: &str, written: Option<f64>, read: Option<f64>) -> TopicUse {
    let at = |seconds: Option<f64>| seconds.map(|_| "2026-11-26T06:14:40Z".to_owned());
    TopicUse { name: name.to_owned(), last_written: at(written), last_read: at(read), written_seconds_ago: written, read_seconds_ago: read }
}

fn arguments(more: &[&str]) -> ClientsArgs {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ClientsArgs,
    }
    Line::parse_from(["clients"].iter().chain(more)).arguments
}

#[test]
fn rows_are_chosen_and_ordered_as_said() {
    let software = |name: &str| Some(Software { name: name.to_owned(), version: None, inferred: false });
    let mut all = vec![client("b", 1.0, 90_000.0), client("a", 5.0, 10.0), client("c", 0.0, 400_000.0)];
    all[0].software = software("kgo");
    all[1].connections = 2;
    all[1].read_bytes_per_second = 9.0;
    let ids = |more: &[&str]| {
        let mut clients = of(all.clone());
        arguments(more).narrow(&mut clients);
        assert_eq!(clients.clients.len(), clients.connections.len());
        clients.clients.into_iter().map(|client| client.client_id).collect::<String>()
    };
    for (more, expected) in [
        (&[][..], "abc"),
        (&["--sort", "idle"], "cba"),
        (&["--sort", "id"], "abc"),
        (&["--sort", "bytes"], "abc"),
        (&["--sort", "connections"], "abc"),
        (&["--sort", "software"], "acb"),
        (&["--client-id", "c"], "c"),
        (&["--software", "KGO"], "b"),
        (&["--days", "1"], "a"),
        (&["--days", "2"], "ab"),
    ] {
        assert_eq!(ids(more), expected, "{more:?}");
    }
}

#[test]
fn tables_fit_and_carry_nothing_that_a_terminal_obeys() {
    let mut long = client(&format!("\u{1b}[31m{}", "x".repeat(119)), 123_456.0, 1e9);
    long.software = Some(Software { name: "\u{7}".repeat(60), version: Some("9".repeat(60)), inferred: true });
    long.groups = vec!["g\u{1b}".repeat(60); 3];
    long.principals = vec!["p\u{1b}".repeat(60)];
    long.acks = ["0", "1", "all", "invalid"].map(str::to_owned).to_vec();
    long.compression = ["none", "gzip", "snappy", "lz4", "zstd"].map(str::to_owned).to_vec();
    long.message_formats = ["v0", "v1", "v2"].map(str::to_owned).to_vec();
    long.topics = (0..32).map(|number| topic(&format!("t{number:02}\u{1b}{}", "o".repeat(240)), Some(1e9), Some(1e9))).collect();
    long.has_more_topics = true;
    let clients = Clients { problem: Some("\u{1b} it is full ".repeat(20)), ..of(vec![long, Client { has_more_topics: true, ..client("", 0.0, 0.0) }]) };
    for text in
        [text::clients(&clients, false, PLAIN), text::clients(&clients, true, PLAIN), text::connections(&clients, PLAIN), text::users(&clients, "t*", PLAIN)]
    {
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert!(text.chars().all(|c| !c.is_control() || c == '\n') && text.contains("(none)"), "{text:?}");
    }
}

#[test]
fn who_uses_a_topic_is_said_and_who_may() {
    let mut writer = client("billing", 0.0, 0.0);
    writer.topics = vec![topic("audit", Some(3.0), None), topic("orders", Some(3.0), None)];
    writer.addresses = vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
    let mut reader = client("report", 0.0, 0.0);
    reader.topics = vec![topic("orders", None, Some(7200.0))];
    reader.groups = vec!["nightly".to_owned()];
    let mut both = client("streams", 0.0, 0.0);
    both.topics = vec![topic("orders-by-day", Some(1.0), Some(2.0))];
    let mut many = client("mirror", 0.0, 0.0);
    many.topics = (0..32).map(|number| topic(&format!("t{number:02}"), None, Some(1.0))).collect();
    many.has_more_topics = true;
    let all = [writer, reader, both, many, client("idle", 0.0, 0.0)];
    let rows = |pattern: &str| {
        let mut clients = of(all.to_vec());
        arguments(&["--sort", "id", "--topic", pattern]).narrow(&mut clients);
        text::users(&clients, pattern, PLAIN).lines().skip(3).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let unsure = |pattern: &str| format!("mirror {pattern} ? ? - 0 - -");
    let billing = "billing orders 3s ago - - 0 - 10.0.0.1 +1";
    let report = "report orders - 2h0m ago - 0 nightly -";
    assert_eq!(rows("orders"), [billing, &unsure("orders"), report]);
    assert_eq!(rows("orders*"), [billing, &unsure("orders*"), report, "streams orders-by-day 1s ago 2s ago - 0 - -"]);
    assert_eq!(rows("t31"), ["mirror t31 - 1s ago - 0 - -"]);
    assert_eq!(rows("nothing"), [unsure("nothing")]);
    let text = text::users(&of(all[..2].to_vec()), "orders", PLAIN);
    assert!(text.starts_with("2 client ids and kinds of software write or read orders; seen since 2026-11-26"), "{text}");
    assert!(text::users(&of(all[3..4].to_vec()), "orders", PLAIN).starts_with("0 client ids and kinds of software write or read orders, 1 may (?: more than"));
}

#[test]
fn topics_stand_in_a_column_when_asked_for() {
    let column = |topics: &[&str], has_more_topics| {
        let topics = topics.iter().map(|name| topic(name, Some(1.0), None)).collect();
        let clients = of(vec![Client { topics, has_more_topics, ..client("x", 0.0, 0.0) }]);
        assert!(!text::clients(&clients, false, PLAIN).contains("TOPICS"));
        let text = text::clients(&clients, true, PLAIN);
        text.lines().last().unwrap().split_whitespace().skip(3).take_while(|word| *word != "0").collect::<Vec<_>>().join(" ")
    };
    assert_eq!(column(&[], false), "-");
    assert_eq!(column(&["a", "b"], false), "a b");
    assert_eq!(column(&["a", "b", "c", "d"], false), "a b +2");
    assert_eq!(column(&["a", "b", "c"], true), "a b +1 and more");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let reason = |text: &str| Reason { text: text.to_owned(), api: None, version: None, taken: None, last_seen: String::new(), seen_seconds_ago: 251.0 };
    let judged = |verdict, reasons, library| Some(Judged { verdict, reasons, library });
    let library = Library {
        name: "sarama".to_owned(),
        version: None,
        inferred: true,
        advice: "raise Config.Version to V2_1_0_0 or later (it decides which versions are sent, whatever the cluster offers), and use sarama 1.30.1 or later"
            .to_owned(),
        source: "KIP-896".to_owned(),
    };
    let mut old = client("sarama-as-0.10.2.0", 0.0, 0.0);
    old.addresses = vec!["127.0.0.1".to_owned()];
    let reasons = vec![
        reason("Produce v2 (and with it the message formats v0 and v1) was removed, 4.0 takes v3 and later"),
        reason("Fetch v3 was removed, 4.0 takes v4 and later"),
    ];
    old.judgement = judged(Verdict::Breaks, reasons, Some(library));
    let mut new = client("orders", 0.0, 0.0);
    new.judgement = judged(Verdict::Fine, vec![reason("every version that it chose would be taken")], None);
    let clients = of(vec![old, new]);
    let text = text::judged(&clients, "4.0".parse().unwrap(), false, PLAIN);
    assert!(include_str!("../../../README.md").contains(&text), "{text}");
    assert!(!text.contains("orders") && text::judged(&clients, "4.0".parse().unwrap(), true, PLAIN).contains("fine  orders"));
    assert_eq!(arguments(&["--incompatible-with", "4.0"]).exit(&clients), Exit::Blocked);
    assert_eq!(arguments(&["--incompatible-with", "4.0", "--client-id", "orders"]).exit(&clients), Exit::Done);
}
