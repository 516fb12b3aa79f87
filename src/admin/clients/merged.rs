//! The clients of several Leewards in front of one cluster, as if they had come to one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{ApiUse, Batches, Client, Clients, Judged, Reason, TopicUse};
use crate::clients::NAMES_MAX;
use crate::session::TOPICS_MAX;

/// Client id, and the software's name and version.
type Key = (String, Option<(String, Option<String>)>);

impl Clients {
    /// Rows of the same client id and software become one: counts and rates are added, first and last moments and the worst verdict hold.
    pub fn and(mut self, other: Clients) -> Clients {
        let mut all: BTreeMap<Key, Client> = BTreeMap::new();
        for client in self.clients.drain(..).chain(other.clients) {
            let software = client.software.as_ref().map(|software| (software.name.clone(), software.version.clone()));
            match all.entry((client.client_id.clone(), software)) {
                Entry::Vacant(place) => drop(place.insert(client)),
                Entry::Occupied(mut place) => place.get_mut().add(client),
            }
        }
        self.connections.extend(other.connections);
        Clients {
            at: self.at.max(other.at),
            since: self.since.min(other.since),
            problem: match (self.problem, other.problem) {
                (Some(one), Some(another)) if one != another => Some(format!("{one}; {another}")),
                (one, another) => one.or(another),
            },
            incompatible_with: self.incompatible_with.or(other.incompatible_with),
            clients: all.into_values().collect(),
            // Of what was left out nobody knows which are the same.
            left_out: self.left_out.zip(other.left_out).map(|(one, another)| one + another),
            connections: self.connections,
        }
    }
}

impl Client {
    fn add(&mut self, other: Client) {
        self.connections += other.connections;
        self.sessions += other.sessions;
        for (names, more) in [(&mut self.addresses, other.addresses), (&mut self.principals, other.principals), (&mut self.groups, other.groups)] {
            union(names, more);
            names.truncate(NAMES_MAX);
        }
        for (names, more) in [(&mut self.acks, other.acks), (&mut self.compression, other.compression), (&mut self.message_formats, other.message_formats)] {
            union(names, more);
        }
        for (api, used) in other.api_versions {
            let known = self.api_versions.entry(api).or_insert_with(|| used.clone());
            *known = ApiUse { lowest: known.lowest.min(used.lowest), highest: known.highest.max(used.highest) };
        }
        self.asked_versions_with = self.asked_versions_with.max(other.asked_versions_with);
        self.idempotent |= other.idempotent;
        self.transactional |= other.transactional;
        self.produce_timeout_ms = match (self.produce_timeout_ms, other.produce_timeout_ms) {
            (Some([least, most]), Some([other_least, other_most])) => Some([least.min(other_least), most.max(other_most)]),
            (one, another) => one.or(another),
        };
        self.batches = match (self.batches.take(), other.batches) {
            (Some(one), Some(another)) => Some(one.and(&another)),
            (one, another) => one.or(another),
        };
        self.requests += other.requests;
        self.read_bytes += other.read_bytes;
        self.written_bytes += other.written_bytes;
        self.produce_requests += other.produce_requests;
        self.produce_bytes += other.produce_bytes;
        self.requests_per_second += other.requests_per_second;
        self.read_bytes_per_second += other.read_bytes_per_second;
        self.written_bytes_per_second += other.written_bytes_per_second;
        // Moments are written alike, in UTC.
        self.first_seen = std::mem::take(&mut self.first_seen).min(other.first_seen);
        self.last_seen = std::mem::take(&mut self.last_seen).max(other.last_seen);
        self.idle_seconds = self.idle_seconds.min(other.idle_seconds);
        self.add_topics(other.topics);
        self.has_more_topics |= other.has_more_topics;
        self.judgement = match (self.judgement.take(), other.judgement) {
            (Some(one), Some(another)) => Some(one.and(another)),
            (one, another) => one.or(another),
        };
    }

    /// By name, as one Leeward has them.
    fn add_topics(&mut self, more: Vec<TopicUse>) {
        for topic in more {
            match self.topics.binary_search_by(|known| known.name.cmp(&topic.name)) {
                Ok(place) => {
                    let Some(known) = self.topics.get_mut(place) else { continue };
                    known.last_written = known.last_written.take().max(topic.last_written);
                    known.last_read = known.last_read.take().max(topic.last_read);
                    known.written_seconds_ago = shorter(known.written_seconds_ago, topic.written_seconds_ago);
                    known.read_seconds_ago = shorter(known.read_seconds_ago, topic.read_seconds_ago);
                }
                Err(_) if self.topics.len() >= TOPICS_MAX => self.has_more_topics = true,
                Err(place) => self.topics.insert(place, topic),
            }
        }
    }
}

impl Batches {
    fn and(&self, other: &Batches) -> Batches {
        let looked_into = self.looked_into + other.looked_into;
        let mean = |one: f64, another: f64| match looked_into {
            0 => 0.0,
            all => (one * self.looked_into as f64 + another * other.looked_into as f64) / all as f64,
        };
        Batches {
            looked_into,
            mean_bytes: mean(self.mean_bytes, other.mean_bytes),
            mean_records: mean(self.mean_records, other.mean_records),
            largest_bytes: self.largest_bytes.max(other.largest_bytes),
        }
    }
}

impl Judged {
    /// The worse verdict; of each reason the time at which it was seen last.
    fn and(mut self, other: Judged) -> Judged {
        for reason in other.reasons {
            let is_same = |known: &&mut Reason| (&known.api, known.version, &known.text) == (&reason.api, reason.version, &reason.text);
            match self.reasons.iter_mut().find(is_same) {
                Some(known) if known.last_seen >= reason.last_seen => {}
                Some(known) => *known = reason,
                None => self.reasons.push(reason),
            }
        }
        let library = if other.verdict < self.verdict { other.library.or(self.library) } else { self.library.or(other.library) };
        Judged { verdict: self.verdict.min(other.verdict), reasons: self.reasons, library }
    }
}

fn shorter(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn union(names: &mut Vec<String>, more: Vec<String>) {
    more.into_iter().for_each(|name| {
        if !names.contains(&name) {
            names.push(name);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::{Connection, Library, Software};
    use super::*;
    use crate::clients::Verdict;

    fn client(client_id: &str, software: Option<&str>) -> Client {
        let software = software.map(|name| Software { name: name.to_owned(), version: None, inferred: true });
        Client { client_id: client_id.to_owned(), software, connections: 1, requests: 10, requests_per_second: 2.5, ..Client::default() }
    }

    fn of(at: &str, clients: Vec<Client>) -> Clients {
        Clients { at: at.to_owned(), since: at.to_owned(), problem: None, incompatible_with: None, clients, left_out: None, connections: Vec::new() }
    }

    fn judged(verdict: Verdict, reasons: &[(&str, &str)]) -> Option<Judged> {
        let reason = |(text, last_seen): &(&str, &str)| Reason {
            text: (*text).to_owned(),
            api: None,
            version: None,
            taken: None,
            last_seen: (*last_seen).to_owned(),
            seen_seconds_ago: 0.0,
        };
        Some(Judged { verdict, reasons: reasons.iter().map(reason).collect(), library: None })
    }

    #[test]
    fn the_same_client_is_one_row_and_others_stay() {
        let one = of("2026-11-26T08:00:00Z", vec![client("a", Some("kgo")), client("b", None)]);
        let other = of("2026-11-26T09:00:00Z", vec![client("a", Some("kgo")), client("a", None), client("c", None)]);
        let merged = one.clone().and(other.clone());
        let rows: Vec<_> = merged.clients.iter().map(|client| (&*client.client_id, client.software.is_some(), client.connections, client.requests)).collect();
        assert_eq!(rows, [("a", false, 1, 10), ("a", true, 2, 20), ("b", false, 1, 10), ("c", false, 1, 10)]);
        assert_eq!((&*merged.at, &*merged.since), ("2026-11-26T09:00:00Z", "2026-11-26T08:00:00Z"));
        assert_eq!(other.and(one).clients, merged.clients, "whoever is asked first");
    }

    #[test]
    fn what_was_seen_anywhere_was_seen() {
        let mut one = client("a", None);
        one.api_versions.insert("Produce".to_owned(), ApiUse { lowest: 3, highest: 5 });
        one.acks = vec!["1".to_owned()];
        one.groups = (0..NAMES_MAX).map(|number| format!("g{number}")).collect();
        one.produce_timeout_ms = Some([100, 200]);
        one.batches = Some(Batches { looked_into: 1, mean_bytes: 100.0, mean_records: 1.0, largest_bytes: 100 });
        one.judgement = judged(Verdict::Fine, &[]);
        (one.sessions, one.read_bytes, one.written_bytes, one.produce_requests) = (3, 10, 20, 4);
        (one.read_bytes_per_second, one.written_bytes_per_second, one.transactional) = (1.0, 2.0, true);
        (one.first_seen, one.last_seen, one.idle_seconds) = ("2026-11-02T00:00:00Z".to_owned(), "2026-11-03T00:00:00Z".to_owned(), 9.0);
        let mut other = client("a", None);
        other.api_versions.insert("Produce".to_owned(), ApiUse { lowest: 2, highest: 3 });
        other.acks = vec!["1".to_owned(), "all".to_owned()];
        other.groups = vec!["one more".to_owned()];
        other.produce_timeout_ms = Some([50, 150]);
        other.batches = Some(Batches { looked_into: 3, mean_bytes: 200.0, mean_records: 5.0, largest_bytes: 400 });
        other.judgement = judged(Verdict::Breaks, &[("Produce v2", "2026-11-04T00:00:00Z")]);
        (other.first_seen, other.last_seen, other.idle_seconds) = ("2026-11-01T00:00:00Z".to_owned(), "2026-11-02T00:00:00Z".to_owned(), 99.0);
        (other.sessions, other.read_bytes, other.written_bytes, other.produce_requests) = (5, 100, 200, 40);
        (other.read_bytes_per_second, other.written_bytes_per_second, other.idempotent) = (10.0, 20.0, true);
        one.add(other);
        assert_eq!((one.sessions, one.requests, one.read_bytes, one.written_bytes, one.produce_requests), (8, 20, 110, 220, 44));
        assert_eq!((one.requests_per_second, one.read_bytes_per_second, one.written_bytes_per_second), (5.0, 11.0, 22.0));
        assert!(one.idempotent && one.transactional);
        assert_eq!(one.api_versions["Produce"], ApiUse { lowest: 2, highest: 5 });
        assert_eq!((one.acks, one.groups.len(), one.produce_timeout_ms), (vec!["1".to_owned(), "all".to_owned()], NAMES_MAX, Some([50, 200])));
        assert_eq!(one.batches, Some(Batches { looked_into: 4, mean_bytes: 175.0, mean_records: 4.0, largest_bytes: 400 }));
        assert_eq!((&*one.first_seen, &*one.last_seen, one.idle_seconds), ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z", 9.0));
        assert_eq!(one.judgement.map(|judged| (judged.verdict, judged.reasons.len())), Some((Verdict::Breaks, 1)));
    }

    #[test]
    fn who_would_go_on_working_is_left_out_and_counted() {
        let with = |client_id, verdict| Client { judgement: judged(verdict, &[]), ..client(client_id, None) };
        let mut all =
            of("2026-11-26T08:00:00Z", vec![with("a", Verdict::Fine), with("b", Verdict::Breaks), with("c", Verdict::CannotTell), with("d", Verdict::Fine)]);
        all.connections = vec![Connection { address: "127.0.0.1:5".to_owned(), node_id: None, client: client("a", None) }];
        let risky = all.at_risk();
        assert_eq!(risky.clients.iter().map(|client| &*client.client_id).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!((risky.left_out, risky.connections.len()), (Some(2), 0));
        assert_eq!(risky.clone().and(risky).left_out, Some(4));
    }

    #[test]
    fn topics_are_merged_by_name_and_stay_bounded() {
        let topic = |name: &str, written: Option<u32>, read: Option<u32>| {
            let moment = |day: u32| format!("2026-11-{day:02}T00:00:00Z");
            let ago = |day: u32| f64::from(30 - day) * 86_400.0;
            let (last_written, last_read) = (written.map(moment), read.map(moment));
            TopicUse { name: name.to_owned(), last_written, last_read, written_seconds_ago: written.map(ago), read_seconds_ago: read.map(ago) }
        };
        let mut one = client("a", None);
        one.topics = vec![topic("b", Some(2), None), topic("c", None, Some(1)), topic("d", Some(1), Some(4))];
        let mut other = client("a", None);
        other.topics = vec![topic("a", Some(1), None), topic("b", Some(1), Some(3)), topic("c", None, Some(4)), topic("d", Some(3), Some(2))];
        one.add(other);
        assert_eq!(one.topics, [topic("a", Some(1), None), topic("b", Some(2), Some(3)), topic("c", None, Some(4)), topic("d", Some(3), Some(4))]);
        assert!(!one.has_more_topics);
        let mut full = client("a", None);
        full.topics = (0..TOPICS_MAX).map(|number| topic(&format!("t{number:02}"), Some(1), None)).collect();
        one.add(full.clone());
        assert!(one.topics.len() == TOPICS_MAX && one.has_more_topics, "who has more says so");
        let mut same = full.clone();
        same.add(full);
        assert!(same.topics.len() == TOPICS_MAX && !same.has_more_topics);
        let mut cut = client("a", None);
        cut.has_more_topics = true;
        same.add(cut);
        assert!(same.has_more_topics, "one Leeward knows of more");
    }

    #[test]
    fn the_library_is_that_of_the_worse_verdict() {
        let with = |verdict, name: Option<&str>| {
            let library = |name: &str| Library { name: name.to_owned(), version: None, inferred: true, advice: String::new(), source: String::new() };
            Judged { verdict, reasons: Vec::new(), library: name.map(library) }
        };
        let name = |judged: Judged| judged.library.map(|library| library.name);
        let (worse, better) = (with(Verdict::Breaks, Some("old")), with(Verdict::Fine, Some("new")));
        assert_eq!(name(worse.clone().and(better.clone())).as_deref(), Some("old"));
        assert_eq!(name(better.clone().and(worse)).as_deref(), Some("old"));
        assert_eq!(name(with(Verdict::Breaks, None).and(better)).as_deref(), Some("new"), "one is better than none");
    }

    #[test]
    fn of_one_reason_the_last_time_counts() {
        let one = judged(Verdict::Breaks, &[("x", "2026-11-01T00:00:00Z")]).unwrap();
        let other = judged(Verdict::CannotTell, &[("x", "2026-11-05T00:00:00Z"), ("y", "2026-11-02T00:00:00Z")]).unwrap();
        let merged = one.and(other);
        let reasons: Vec<_> = merged.reasons.iter().map(|reason| (&*reason.text, &*reason.last_seen)).collect();
        assert_eq!((merged.verdict, reasons), (Verdict::Breaks, vec![("x", "2026-11-05T00:00:00Z"), ("y", "2026-11-02T00:00:00Z")]));
    }
}
