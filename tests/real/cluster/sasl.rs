//! A cluster whose clients must log in: which mechanisms brokers take, and who may.

use std::collections::BTreeMap;

/// A name and a password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
}

/// A client's, with PLAIN.
pub(crate) const ALICE: Account = Account { name: "alice", password: "alice's secret" };
/// A client's, with SCRAM, in a cluster of KRaft: there the cluster itself keeps it.
pub(crate) const BOB: Account = Account { name: "bob", password: "bob's secret" };
/// Leeward's own, with PLAIN.
pub(crate) const LEEWARD: Account = Account { name: "leeward", password: "leeward's secret" };

/// How long a login with SCRAM-SHA-512 holds (KIP-368).
pub(crate) const SCRAM_512_SESSION_MS: u32 = 5000;
/// And one with PLAIN: shorter than a test, so that Leeward has to begin again, longer than an old client works that cannot.
const PLAIN_SESSION_MS: u32 = 15_000;

const MODULES: &str = "org.apache.kafka.common.security";

/// Changes to a broker's properties: clients log in at `port`, brokers and the harness need not at `inner_port`.
pub(super) fn properties(port: u16, inner_port: u16) -> BTreeMap<String, String> {
    let mut changes = BTreeMap::new();
    let mut set = |key: &str, value: String| changes.insert(key.to_owned(), value);
    set("listeners", format!("CLIENTS://127.0.0.1:{port},PLAINTEXT://127.0.0.1:{inner_port}"));
    set("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CLIENTS:SASL_PLAINTEXT".to_owned());
    set("inter.broker.listener.name", "PLAINTEXT".to_owned());
    set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned());
    let users: String = [ALICE, LEEWARD].iter().map(|account| format!(" user_{}=\"{}\"", account.name, account.password)).collect();
    set("listener.name.clients.plain.sasl.jaas.config", format!("{MODULES}.plain.PlainLoginModule required{users};"));
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        set(&format!("listener.name.clients.{mechanism}.sasl.jaas.config"), format!("{MODULES}.scram.ScramLoginModule required;"));
    }
    let unsecured = format!("{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";");
    set("listener.name.clients.oauthbearer.sasl.jaas.config", unsecured);
    for (mechanism, session_ms) in [("plain", PLAIN_SESSION_MS), ("scram-sha-512", SCRAM_512_SESSION_MS)] {
        set(&format!("listener.name.clients.{mechanism}.connections.max.reauth.ms"), session_ms.to_string());
    }
    changes
}

/// [`BOB`]'s, as the tool that formats a controller's storage takes them.
pub(super) fn scram_accounts() -> Vec<String> {
    ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(|mechanism| format!("{mechanism}=[name={},password=\"{}\"]", BOB.name, BOB.password)).to_vec()
}

/// What a Java client is configured with.
pub(crate) fn java(mechanism: &str, account: Account) -> Vec<(&'static str, String)> {
    let Account { name, password } = account;
    let login = match mechanism {
        "PLAIN" => format!("{MODULES}.plain.PlainLoginModule required username=\"{name}\" password=\"{password}\";"),
        "OAUTHBEARER" => format!("{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"{name}\";"),
        _ => format!("{MODULES}.scram.ScramLoginModule required username=\"{name}\" password=\"{password}\";"),
    };
    vec![("security.protocol", "SASL_PLAINTEXT".to_owned()), ("sasl.mechanism", mechanism.to_owned()), ("sasl.jaas.config", login)]
}
