//! For brokers before Kafka 2.4: the two nodes of ZooKeeper by which their own tools change orders and have leaders elected.
//!
//! The controller deletes a node when it has done what stands there. Three requests of ZooKeeper's protocol are enough for that: to open a session,
//! to look whether a node exists, and to create one. It is spoken as of ZooKeeper 3.4, which later servers understand.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::OperatorError;
use super::changes::NotChanged;
use crate::config::ZooKeeperAt;
use crate::net::dial::dial;
use crate::rolling::drain::Move;
use crate::rolling::drain::by_hand::{election_json, reassignment_json};

/// Partitions in one node: with the longest names well below the megabyte that a node may have.
const PARTITIONS_MAX: usize = 500;

const REASSIGNMENT: &str = "/admin/reassign_partitions";
const ELECTION: &str = "/admin/preferred_replica_election";

/// For all of an exchange: a few round trips, of which one is written to a quorum's disks.
const LIMIT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What is asked here is answered with well under a kilobyte.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const SESSION_TIMEOUT_MS: i32 = 10_000;
const PASSWORD_BYTES: usize = 16;
const CREATE: i32 = 1;
const EXISTS: i32 = 3;
const CLOSE: i32 = -11;
/// All that may be done with a node: as Kafka makes it where `zookeeper.set.acl` is off.
const ALL_RIGHTS: i32 = 31;
const PERSISTENT: i32 = 0;

const NO_NODE: i32 = -101;
const NO_AUTH: i32 = -102;
const NODE_EXISTS: i32 = -110;

/// Leaves what the controller is to do, as far as nothing is there that it is still at: orders first, and the election when they are there.
pub(super) async fn change(at: &ZooKeeperAt, moves: &[Move]) -> Result<Vec<NotChanged>, OperatorError> {
    let failed = |problem: String| OperatorError::ZooKeeper { problem };
    let work = async {
        let mut session = Session::open(at).await?;
        let reordered: Vec<&Move> = moves.iter().filter(|one| one.reorders()).take(PARTITIONS_MAX).collect();
        let (node, content) = if reordered.is_empty() {
            (ELECTION, election_json(moves.iter().filter(|one| one.elect).take(PARTITIONS_MAX)))
        } else {
            (REASSIGNMENT, reassignment_json(reordered.iter().copied()))
        };
        let is_busy = session.exists(node).await? || !session.create(node, content.as_bytes()).await?;
        session.close().await;
        Ok::<_, String>(is_busy.then_some(node))
    };
    let busy = timeout(LIMIT, work).await.map_err(|_| failed(format!("no answer within {LIMIT:?}")))?.map_err(failed)?;
    let first = busy.zip(moves.first());
    let why = |node| format!("the controller is still at what stands in {node}{}: another reassignment, or Leeward's own of before", at.chroot);
    Ok(first.map(|(node, one)| NotChanged { topic: one.topic.to_string(), partition: one.partition, why: why(node) }).into_iter().collect())
}

/// A session, which ends with its connection.
struct Session {
    stream: TcpStream,
    chroot: String,
    request: i32,
}

impl Session {
    async fn open(at: &ZooKeeperAt) -> Result<Self, String> {
        let (stream, _) = dial(at.servers.clone(), CONNECT_TIMEOUT, |_, _| {}).await.map_err(|error| error.to_string())?;
        let mut session = Session { stream, chroot: at.chroot.clone(), request: 0 };
        let mut body = Writer::default();
        body.int(0); // The protocol's version.
        body.long(0); // The last transaction seen.
        body.int(SESSION_TIMEOUT_MS);
        body.long(0); // No session of before.
        body.bytes(&[0; PASSWORD_BYTES]);
        body.0.push(0); // Not of a server that only reads.
        session.send(&body).await?;
        session.receive().await?;
        Ok(session)
    }

    async fn exists(&mut self, path: &str) -> Result<bool, String> {
        let mut body = Writer::default();
        body.bytes(format!("{}{path}", self.chroot).as_bytes());
        body.0.push(0); // Without a watch.
        match self.ask(EXISTS, &body).await? {
            0 => Ok(true),
            NO_NODE => Ok(false),
            code => Err(refused("exists", path, code)),
        }
    }

    /// `false`: there is one already.
    async fn create(&mut self, path: &str, content: &[u8]) -> Result<bool, String> {
        let mut body = Writer::default();
        body.bytes(format!("{}{path}", self.chroot).as_bytes());
        body.bytes(content);
        body.int(1); // One rule of access.
        body.int(ALL_RIGHTS);
        body.bytes(b"world");
        body.bytes(b"anyone");
        body.int(PERSISTENT);
        match self.ask(CREATE, &body).await? {
            0 => Ok(true),
            NODE_EXISTS => Ok(false),
            code => Err(refused("create", path, code)),
        }
    }

    /// A goodbye, so that the server need not wait for the session to time out.
    async fn close(mut self) {
        // What was asked has been answered.
        let _ = self.ask(CLOSE, &Writer::default()).await;
    }

    /// The code of the answer.
    async fn ask(&mut self, kind: i32, body: &Writer) -> Result<i32, String> {
        self.request += 1;
        let mut request = Writer::default();
        request.int(self.request);
        request.int(kind);
        request.0.extend_from_slice(&body.0);
        self.send(&request).await?;
        let answer = self.receive().await?;
        let (id, rest) = answer.split_first_chunk::<4>().ok_or("the answer is cut off")?;
        if i32::from_be_bytes(*id) != self.request {
            return Err(format!("an answer to {} came for request {}", i32::from_be_bytes(*id), self.request));
        }
        let code = rest.get(8..).and_then(|rest| rest.first_chunk::<4>()).ok_or("the answer is cut off")?;
        Ok(i32::from_be_bytes(*code))
    }

    async fn send(&mut self, message: &Writer) -> Result<(), String> {
        let mut frame = Writer::default();
        frame.bytes(&message.0);
        self.stream.write_all(&frame.0).await.map_err(lost)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, String> {
        let length = self.stream.read_i32().await.map_err(lost)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= ANSWER_BYTES_MAX).ok_or_else(|| format!("an answer of {length} bytes"))?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await.map_err(lost)?;
        Ok(answer)
    }
}

fn lost(error: io::Error) -> String {
    format!("the connection was lost: {error}; is that ZooKeeper's client port (upstream.zookeeper)?")
}

fn refused(what: &str, path: &str, code: i32) -> String {
    match code {
        NO_NODE => format!("there is no {path}'s parent: is upstream.zookeeper_chroot right?"),
        NO_AUTH => format!("{path} may not be made by everybody there; run the commands of a dry run on a broker instead"),
        code => format!("{what} {path} was refused with error {code}"),
    }
}

/// Bytes in ZooKeeper's own encoding.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn int(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn long(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, ElectLeadersRequest};
    use kafka_protocol::protocol::Request;
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::super::Operator;
    use super::*;
    use crate::cluster::{Broker, View};
    use crate::config::{HostPort, Upstream};
    use crate::protocol::versions::{Offer, VersionRange, encode_response};

    /// A server that answers each request with the next of these codes, and tells what it was asked: the kind and the body.
    async fn server(codes: &'static [i32]) -> (ZooKeeperAt, tokio::task::JoinHandle<Vec<(i32, String)>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            let mut asked = Vec::new();
            for step in 0.. {
                let Ok(length) = stream.read_i32().await else { return asked };
                let mut body = vec![0; usize::try_from(length).unwrap()];
                stream.read_exact(&mut body).await.unwrap();
                let mut answer = Writer::default();
                if step == 0 {
                    assert_eq!(body.len(), 45, "a request for a session");
                    answer.bytes(&[0; 37]);
                } else {
                    let int = |at: usize| i32::from_be_bytes(*body[at..].first_chunk().unwrap());
                    let mut reply = Writer::default();
                    reply.int(int(0));
                    reply.long(7);
                    reply.int(codes.get(step - 1).copied().unwrap_or_default());
                    answer.bytes(&reply.0);
                    asked.push((int(4), String::from_utf8_lossy(&body[8..]).into_owned()));
                }
                stream.write_all(&answer.0).await.unwrap();
            }
            asked
        });
        (ZooKeeperAt { servers: vec![HostPort { host: "127.0.0.1".to_owned(), port }], chroot: "/kafka".to_owned() }, asked)
    }

    fn moves() -> Vec<Move> {
        let reorders = Move { topic: Arc::from("t"), partition: 0, from: vec![2, 1], to: vec![1, 2], elect: true };
        vec![reorders.clone(), Move { partition: 1, from: reorders.to.clone(), ..reorders }]
    }

    #[tokio::test]
    async fn orders_come_first_then_the_election() {
        let (at, asked) = server(&[NO_NODE, 0]).await;
        assert!(change(&at, &moves()).await.unwrap().is_empty());
        let asked = asked.await.unwrap();
        assert_eq!(asked.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [EXISTS, CREATE, CLOSE]);
        assert!(asked[1].1.contains("/kafka/admin/reassign_partitions") && asked[1].1.contains(r#"[{"partition":0,"replicas":[1,2],"topic":"t"}]"#));
        let (at, asked) = server(&[NO_NODE, 0]).await;
        assert!(change(&at, &moves()[1..]).await.unwrap().is_empty());
        let asked = asked.await.unwrap();
        assert!(asked[1].1.contains("/kafka/admin/preferred_replica_election") && asked[1].1.contains(r#"[{"partition":1,"topic":"t"}]"#));
    }

    /// A broker that answers ApiVersions alone, and offers these besides.
    async fn broker(node_id: i32, keys: &'static [i16]) -> Broker {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ranges = keys.iter().map(|api_key| VersionRange { api_key: *api_key, min: 0, max: 0 }).collect();
        let offer = Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Ok(length) = stream.read_i32().await else { continue };
                let mut request = vec![0; usize::try_from(length).unwrap()];
                stream.read_exact(&mut request).await.unwrap();
                let (version, id) = (i16::from_be_bytes([request[2], request[3]]), i32::from_be_bytes(*request[4..].first_chunk().unwrap()));
                stream.write_all(&encode_response(&offer, version, id)).await.unwrap();
            }
        });
        let upstream = HostPort { host: "127.0.0.1".to_owned(), port };
        Broker { node_id, upstream, rack: None, virtual_port: 0, listed: true, is_forgotten: false, offer: None, reachable: true }
    }

    #[tokio::test]
    async fn while_brokers_differ_it_is_the_controller_that_counts() {
        let brokers = [broker(1, &[AlterPartitionReassignmentsRequest::KEY, ElectLeadersRequest::KEY]).await, broker(2, &[]).await];
        let brokers = brokers.into_iter().map(|broker| (broker.node_id, broker)).collect();
        let view = View { controller_id: Some(2), brokers, ..View::default() };
        let (zookeeper, asked) = server(&[NO_NODE, 0]).await;
        let (connect_timeout, refresh_interval) = (CONNECT_TIMEOUT, Duration::from_secs(10));
        let upstream = Upstream { bootstrap: Vec::new(), connect_timeout, refresh_interval, sasl_plain: None, zookeeper };
        let operator = Operator::new(watch::channel(Arc::new(view)).1, watch::channel(upstream).1);
        assert!(operator.change(&moves()).await.unwrap().is_empty());
        assert_eq!(asked.await.unwrap().iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [EXISTS, CREATE, CLOSE]);
    }

    #[tokio::test]
    async fn what_is_there_already_is_left_to_the_controller() {
        for codes in [&[0][..], &[NO_NODE, NODE_EXISTS]] {
            let (at, asked) = server(codes).await;
            let busy = change(&at, &moves()).await.unwrap();
            assert!(busy[0].why.contains("still at what stands in /admin/reassign_partitions"), "{busy:?}");
            asked.await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_refused_says_what_to_do() {
        for (code, hint) in [(NO_NODE, "zookeeper_chroot"), (NO_AUTH, "dry run"), (-4, "error -4")] {
            let codes: &'static [i32] = Box::leak(Box::new([NO_NODE, code]));
            let error = change(&server(codes).await.0, &moves()).await.unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
        let nobody = ZooKeeperAt { servers: vec![HostPort { host: "127.0.0.1".to_owned(), port: 1 }], chroot: String::new() };
        assert!(change(&nobody, &moves()).await.unwrap_err().to_string().starts_with("ZooKeeper did not take the change: "));
    }
}
