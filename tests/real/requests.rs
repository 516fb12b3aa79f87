//! What a broker is asked, by its own account: its log of requests (`kafka.request.logger`), which is switched on while it is looked at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::protocol::StrBytes;

use crate::cluster::Cluster;
use crate::wire::Wire;

/// The type of a resource whose settings are levels of loggers (KIP-412, Kafka 2.4 and later).
const BROKER_LOGGER: i8 = 8;
/// What brokers write before each request, as JSON.
const COMPLETED: &str = "Completed request:";

/// Requests that were answered, by API and client id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests(BTreeMap<(String, String), usize>);

impl Requests {
    /// Those of one API that clients sent: not those of other brokers, of Leeward itself, or of the tests.
    pub(crate) fn of_clients(&self, api: &str) -> usize {
        let of = |client: &str| !["broker-", "leeward"].iter().any(|prefix| client.starts_with(prefix));
        self.0.iter().filter(|((name, client), _)| name == api && of(client)).map(|(_, count)| count).sum()
    }

    /// Each API and client id with its number.
    pub(crate) fn in_words(&self) -> String {
        self.0.iter().map(|((api, client), count)| format!("{count} {api} of {client:?}")).collect::<Vec<_>>().join(", ")
    }

    fn parse(log: &str) -> Self {
        let mut requests = Self::default();
        for line in log.lines() {
            let Some((_, json)) = line.split_once(COMPLETED) else { continue };
            // The logger's name comes after it.
            let first = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>().next();
            let Some(Ok(request)) = first else { continue };
            let text = |key: &str| request["requestHeader"][key].as_str().unwrap_or("?").to_owned();
            *requests.0.entry((text("requestApiKeyName"), text("clientId"))).or_default() += 1;
        }
        requests
    }
}

/// What a broker is asked within the time that comes.
pub(crate) fn listen(cluster: &Cluster, id: i32, time: Duration) -> Requests {
    let log = cluster.log_path(&format!("broker-{id}.log"));
    set_level(cluster, id, "DEBUG");
    let begin = std::fs::metadata(&log).unwrap().len();
    std::thread::sleep(time);
    set_level(cluster, id, "INFO");
    let mut file = File::open(&log).unwrap();
    file.seek(SeekFrom::Start(begin)).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Requests::parse(&String::from_utf8_lossy(&bytes))
}

fn set_level(cluster: &Cluster, id: i32, level: &'static str) {
    let text = StrBytes::from_static_str;
    let logger = AlterableConfig::default().with_name(text("kafka.request.logger")).with_config_operation(0).with_value(Some(text(level)));
    let resource = AlterConfigsResource::default().with_resource_type(BROKER_LOGGER).with_resource_name(StrBytes::from_string(id.to_string()));
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource.with_configs(vec![logger])]);
    let answer = Wire::connect_past(&cluster.inner_address(id)).and_then(|mut wire| wire.ask(&request, 0)).unwrap();
    let outcome = &answer.responses[0];
    assert_eq!(outcome.error_code, 0, "broker {id}: {:?}", outcome.error_message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_clients_are_told_from_those_of_servers() {
        let line = |api: &str, client: &str| {
            format!(
                "[2026-01-01 00:00:00,000] DEBUG Completed request:{{\"requestHeader\":{{\"clientId\":\"{client}\",\"requestApiKeyName\":\"{api}\"}},\"totalTimeMs\":1.2}} (kafka.request.logger)"
            )
        };
        let log = [line("PRODUCE", "app"), line("PRODUCE", "app"), line("FETCH", "broker-5-fetcher-0"), line("METADATA", "leeward"), "noise".to_owned()];
        let requests = Requests::parse(&log.join("\n"));
        assert_eq!((requests.of_clients("PRODUCE"), requests.of_clients("FETCH"), requests.of_clients("METADATA")), (2, 0, 0));
        assert_eq!(requests.in_words(), "1 FETCH of \"broker-5-fetcher-0\", 1 METADATA of \"leeward\", 2 PRODUCE of \"app\"");
    }
}
