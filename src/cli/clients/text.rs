//! The register for a person.

use comfy_table::Cell;

use crate::admin::clients::{Client, Clients, Judged, Library, TopicUse};
use crate::cli::output::{Paint, cut, relative, table};
use crate::clients::Verdict;
use crate::releases::Version;
use crate::session::TOPICS_MAX;
use crate::tap::Pattern;

/// Characters of a client id in a table.
const ID_MAX: usize = 28;

/// A row for each client id and software; `topics`: with what it uses.
pub(super) fn clients(clients: &Clients, topics: bool, paint: Paint) -> String {
    let head =
        head(clients, format!("{} connections, {} client ids and kinds of software since {}", clients.connections.len(), clients.clients.len(), clients.since));
    if clients.clients.is_empty() {
        return head;
    }
    let row = |client: &Client| {
        let (acks, kind) = (Cell::new(client.acks.join(" ")), Cell::new(writes(client)));
        let how = if topics { vec![Cell::new(all_topics(client))] } else { vec![acks, kind] };
        let who = [Cell::new(id(client)), Cell::new(software(client)), Cell::new(client.connections)];
        let much = [Cell::new(rate(client.requests_per_second)), Cell::new(volume(client))];
        let last = [Cell::new(some(&client.groups)), Cell::new(relative(client.idle_seconds as u64))];
        who.into_iter().chain(how).chain(much).chain(last).collect()
    };
    let how: &[&str] = if topics { &["TOPICS"] } else { &["ACKS", "WRITES"] };
    let heading = [&["CLIENT ID", "SOFTWARE", "NOW"], how, &["REQ/S", "IN/OUT /S", "GROUPS", "IDLE"]].concat();
    format!("{head}\n\n{}", table(&heading, clients.clients.iter().map(row), paint))
}

/// Who uses a topic, or topics that begin so: a row for each client and topic.
pub(super) fn users(clients: &Clients, pattern: &str, paint: Paint) -> String {
    let surely = clients.clients.iter().filter(|client| of_topic(client, pattern).next().is_some()).count();
    let maybe = clients.clients.len() - surely;
    let may = if maybe > 0 { format!(", {maybe} may (?: more than the {TOPICS_MAX} topics that are kept of a client)") } else { String::new() };
    let head = head(clients, cut(&format!("{surely} client ids and kinds of software write or read {pattern}{may}; seen since {}", clients.since)));
    let rows: Vec<_> = clients.clients.iter().flat_map(|client| users_of(client, pattern)).collect();
    if rows.is_empty() {
        return head;
    }
    format!("{head}\n\n{}", table(&["CLIENT ID", "TOPIC", "WROTE", "READ", "SOFTWARE", "NOW", "GROUPS", "FROM"], rows, paint))
}

fn users_of(client: &Client, pattern: &str) -> Vec<Vec<Cell>> {
    let row = |topic: &str, written: String, read: String| {
        vec![
            Cell::new(id(client)),
            Cell::new(short(topic)),
            Cell::new(written),
            Cell::new(read),
            Cell::new(software(client)),
            Cell::new(client.connections),
            Cell::new(some(&client.groups)),
            Cell::new(some(&client.addresses)),
        ]
    };
    let ago = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{} ago", relative(seconds as u64)));
    let known: Vec<_> = of_topic(client, pattern).map(|topic| row(&topic.name, ago(topic.written_seconds_ago), ago(topic.read_seconds_ago))).collect();
    if known.is_empty() { vec![row(pattern, "?".to_owned(), "?".to_owned())] } else { known }
}

/// The topics of a client that are meant.
pub(super) fn of_topic<'a>(client: &'a Client, pattern: &str) -> impl Iterator<Item = &'a TopicUse> {
    let pattern = Pattern::new(pattern);
    client.topics.iter().filter(move |topic| pattern.matches(&topic.name))
}

/// The first ones by name, and how many others there are.
fn all_topics(client: &Client) -> String {
    const SHOWN: usize = 2;
    let named: Vec<_> = client.topics.iter().take(SHOWN).map(|topic| short(&topic.name)).collect();
    let rest = client.topics.len() - named.len();
    match (named.join(" "), rest, client.has_more_topics) {
        (names, _, _) if names.is_empty() => "-".to_owned(),
        (names, 0, false) => names,
        (names, 0, true) => format!("{names} and more"),
        (names, rest, false) => format!("{names} +{rest}"),
        (names, rest, true) => format!("{names} +{rest} and more"),
    }
}

/// A row for each connection.
pub(super) fn connections(clients: &Clients, paint: Paint) -> String {
    let head = head(clients, format!("{} connections", clients.connections.len()));
    if clients.connections.is_empty() {
        return head;
    }
    let rows = clients.connections.iter().map(|connection| {
        let client = &connection.client;
        vec![
            Cell::new(&connection.address),
            Cell::new(connection.node_id.map_or_else(|| "-".to_owned(), |node_id| node_id.to_string())),
            Cell::new(id(client)),
            Cell::new(some(&client.principals)),
            Cell::new(software(client)),
            Cell::new(versions(client)),
            Cell::new(client.requests),
            Cell::new(rate(client.requests_per_second)),
            Cell::new(relative(client.idle_seconds as u64)),
        ]
    });
    format!("{head}\n\n{}", table(&["ADDRESS", "NODE", "CLIENT ID", "USER", "SOFTWARE", "PRODUCE FETCH", "REQUESTS", "REQ/S", "IDLE"], rows, paint))
}

/// Whom brokers of a release would break: a paragraph for each client.
pub(super) fn judged(clients: &Clients, release: Version, all: bool, paint: Paint) -> String {
    let count = |verdict| clients.clients.iter().filter(|client| is(client, verdict)).count();
    let (breaks, unclear, fine) = (count(Verdict::Breaks), count(Verdict::CannotTell), count(Verdict::Fine));
    let said = format!("{breaks} would break with Kafka {release}, {unclear} cannot be told, {fine} fine; seen since {}", clients.since);
    let mut parts = vec![head(clients, if breaks > 0 { paint.bad(&said) } else { paint.good(&said) })];
    for client in &clients.clients {
        let Some(judged) = &client.judgement else { continue };
        if judged.verdict != Verdict::Fine || all {
            parts.push(paragraph(client, judged, paint));
        }
    }
    parts.join("\n\n")
}

fn paragraph(client: &Client, judged: &Judged, paint: Paint) -> String {
    let label = match judged.verdict {
        Verdict::Breaks => paint.bad(judged.verdict.label()),
        Verdict::CannotTell => judged.verdict.label().to_owned(),
        Verdict::Fine => paint.good(judged.verdict.label()),
    };
    let mut lines = vec![format!("{label}  {}", cut(&id_of(client, 80)))];
    for reason in &judged.reasons {
        lines.extend(wrapped("why", &format!("{}; last seen {} ago", reason.text, relative(reason.seen_seconds_ago as u64))));
    }
    if let Some(library) = &judged.library {
        lines.extend(wrapped("likely", &named(library)));
        if judged.verdict == Verdict::Breaks {
            lines.extend(wrapped("do", &format!("{} ({})", library.advice, library.source)));
        }
    } else if judged.verdict == Verdict::Breaks {
        lines.extend(wrapped("do", "find it by its address, and use a library of 2019 or later, without a setting that pins an old version of Kafka"));
    }
    let place = |name: &str, values: &[String]| (!values.is_empty()).then(|| format!("{name} {}", values.join(", ")));
    let from = [place("address", &client.addresses), place("user", &client.principals), place("group", &client.groups)];
    lines.extend(wrapped("from", &from.into_iter().flatten().collect::<Vec<_>>().join("; ")));
    lines.join("\n")
}

fn named(library: &Library) -> String {
    let version = library.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let how = if library.inferred { "inferred from its client id or its versions" } else { "as it says itself" };
    format!("{}{version}, {how}", library.name)
}

/// Lines with a word before the first.
fn wrapped(word: &str, text: &str) -> Vec<String> {
    const TEXT_WIDTH: usize = 88;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for part in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + part.chars().count() > TEXT_WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    lines.push(line);
    lines.iter().enumerate().map(|(number, line)| cut(&format!("    {:<7} {line}", if number == 0 { word } else { "" }))).collect()
}

fn head(clients: &Clients, said: String) -> String {
    match &clients.problem {
        Some(problem) => format!("{said}\n{}", cut(&format!("note: {problem}"))),
        None => said,
    }
}

fn is(client: &Client, verdict: Verdict) -> bool {
    client.judgement.as_ref().is_some_and(|judged| judged.verdict == verdict)
}

/// `~` stands before what is inferred.
pub(super) fn software(client: &Client) -> String {
    let Some(software) = &client.software else { return "-".to_owned() };
    let version = software.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let text = format!("{}{}{version}", if software.inferred { "~" } else { "" }, software.name);
    printable(&text)
}

fn id(client: &Client) -> String {
    id_of(client, ID_MAX)
}

fn id_of(client: &Client, max: usize) -> String {
    if client.client_id.is_empty() {
        return "(none)".to_owned();
    }
    let id: String = client.client_id.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if id.chars().count() <= max { id } else { id.chars().take(max - 1).chain(['…']).collect() }
}

/// Format, compression, and how batches are numbered.
fn writes(client: &Client) -> String {
    let old = client.message_formats.iter().filter(|format| *format != "v2").map(String::as_str);
    let packed = client.compression.iter().filter(|name| *name != "none").map(String::as_str);
    let kind = if client.transactional { Some("txn") } else { client.idempotent.then_some("idem") };
    let words: Vec<_> = old.chain(packed).chain(kind).collect();
    if words.is_empty() { if client.produce_requests > 0 { "plain" } else { "-" }.to_owned() } else { words.join(" ") }
}

fn versions(client: &Client) -> String {
    let of = |name: &str| {
        client.api_versions.get(name).map_or_else(
            || "-".to_owned(),
            |used| if used.lowest == used.highest { format!("{}", used.highest) } else { format!("{}-{}", used.lowest, used.highest) },
        )
    };
    format!("{} {}", of("Produce"), of("Fetch"))
}

fn volume(client: &Client) -> String {
    format!("{} {}", show_rate(client.read_bytes_per_second), show_rate(client.written_bytes_per_second))
}

/// To one digit where it is not whole in its unit.
fn show_rate(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1024.0 => format!("{bytes:.0}B"),
        bytes if bytes < 1_048_576.0 => format!("{:.1}K", bytes / 1024.0),
        bytes => format!("{:.1}M", bytes / 1_048_576.0),
    }
}

fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

fn some(names: &[String]) -> String {
    match names {
        [] => "-".to_owned(),
        [one] => printable(one),
        [one, rest @ ..] => format!("{} +{}", printable(one), rest.len()),
    }
}

/// What fits a table of it.
fn printable(text: &str) -> String {
    text.chars().take(ID_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The same, and an ellipsis where something is missing.
fn short(text: &str) -> String {
    if text.chars().count() <= ID_MAX { printable(text) } else { printable(text).chars().take(ID_MAX - 1).chain(['…']).collect() }
}
