use super::*;
use crate::admin::clients::{Connection, Judged, Library, Reason, Software};
use crate::cli::output::{Paint, WIDTH};

const PLAIN: Paint = Paint { colour: false };

fn client(client_id: &str, rate: f64, idle: f64) -> Client {
    Client { client_id: client_id.to_owned(), requests_per_second: rate, idle_seconds: idle, ..Client::default() }
}

fn of(clients: Vec<Client>) -> Clients {
    let connections = clients.iter().map(|client| Connection { address: "10.0.0.1:5000".to_owned(), node_id: Some(1), client: client.clone() }).collect();
    Clients { at: String::new(), since: "2026-11-26T06:14:40Z".to_owned(), problem: None, incompatible_with: None, clients, connections }
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
    let clients = Clients { problem: Some("\u{1b} it is full ".repeat(20)), ..of(vec![long, client("", 0.0, 0.0)]) };
    for text in [text::clients(&clients, PLAIN), text::connections(&clients, PLAIN)] {
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert!(text.chars().all(|c| !c.is_control() || c == '\n') && text.contains("(none)"), "{text:?}");
    }
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
