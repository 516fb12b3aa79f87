use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{MetadataResponse, SaslAuthenticateResponse, SaslHandshakeResponse};
use kafka_protocol::protocol::Encodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::config::{SaslPlain, ZooKeeperAt};
use crate::protocol::versions::{VersionRange, encode_response};
use crate::wire::api;

/// The body of the answer to one request that is not ApiVersions; `None`: the broker closes the connection.
type Answers = fn(api_key: i16, api_version: i16) -> Option<BytesMut>;

struct Broker {
    events: mpsc::Receiver<LinkEvent>,
    /// Each request's API key, and a -1 for each connection, in order.
    requests: mpsc::UnboundedReceiver<i16>,
    connections: JoinHandle<()>,
    _link: Link,
}

async fn broker(account: bool, answers: Answers) -> Broker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = HostPort { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let (seen, requests) = mpsc::unbounded_channel();
    let connections = tokio::spawn(async move {
        // A link has one connection at a time.
        while let Ok((stream, _)) = listener.accept().await {
            seen.send(-1).unwrap();
            serve(stream, answers, &seen).await;
        }
    });
    let sasl_plain = account.then(|| SaslPlain { username: "leeward".to_owned(), password: "secret".to_owned() });
    let (connect_timeout, refresh_interval) = (Duration::from_secs(2), Duration::from_secs(10));
    let upstream = Upstream { bootstrap: vec![address.clone()], connect_timeout, refresh_interval, sasl_plain, zookeeper: ZooKeeperAt::default() };
    let (sender, events) = mpsc::channel(16);
    Broker { events, requests, connections, _link: Link::start(address, &upstream, sender) }
}

async fn serve(mut stream: TcpStream, answers: Answers, seen: &mpsc::UnboundedSender<i16>) {
    while let Ok(length) = stream.read_i32().await {
        let mut request = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut request).await.unwrap();
        let field = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (api_key, api_version) = (field(0), field(2));
        let correlation_id = i32::from_be_bytes(request[4..8].try_into().unwrap());
        seen.send(api_key).unwrap();
        if api_key == api::API_VERSIONS {
            stream.write_all(&versions(api_version, correlation_id)).await.unwrap();
            continue;
        }
        let Some(body) = answers(api_key, api_version) else { return };
        stream.write_i32(i32::try_from(4 + body.len()).unwrap()).await.unwrap();
        stream.write_i32(correlation_id).await.unwrap();
        stream.write_all(&body).await.unwrap();
    }
}

fn versions(api_version: i16, correlation_id: i32) -> Bytes {
    let ranges = [(api::METADATA, 12), (api::SASL_HANDSHAKE, 1), (api::SASL_AUTHENTICATE, 1)].map(|(api_key, max)| VersionRange { api_key, min: 0, max });
    let offer =
        Offer { ranges: ranges.to_vec(), supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false };
    encode_response(&offer, api_version, correlation_id)
}

fn body(response: &impl Encodable, api_version: i16) -> Option<BytesMut> {
    let mut body = BytesMut::new();
    response.encode(&mut body, api_version).unwrap();
    Some(body)
}

#[tokio::test]
async fn a_broker_that_asks_for_a_login_is_left_in_peace() {
    let mut broker = broker(false, |_, _| None).await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(broker.events.recv().await.unwrap());
    }
    assert!(matches!(events[0], LinkEvent::Versions { .. }), "{events:?}");
    assert!(matches!(events[1], LinkEvent::Versions { .. }), "one connection that ends is no loss: {events:?}");
    assert!(matches!(&events[2], LinkEvent::Closed { problem, .. } if problem.contains("upstream.sasl_plain")), "{events:?}");
    assert!(matches!(events[3], LinkEvent::Versions { .. }), "{events:?}");
    // The third connection asks nothing that would end it.
    let silence = timeout(RETRY_MAX, broker.events.recv()).await;
    assert!(silence.is_err(), "{silence:?}");
    let mut requests = Vec::new();
    while let Ok(request) = broker.requests.try_recv() {
        requests.push(request);
    }
    assert_eq!(requests, [-1, api::API_VERSIONS, api::METADATA, -1, api::API_VERSIONS, api::METADATA, -1, api::API_VERSIONS]);
    broker.connections.abort();
    assert!(matches!(broker.events.recv().await.unwrap(), LinkEvent::Lost { .. }), "its end is seen all the same");
}

#[tokio::test]
async fn a_refused_password_is_told_in_the_brokers_words() {
    let mut broker = broker(true, |api_key, api_version| match api_key {
        api::SASL_HANDSHAKE => body(&SaslHandshakeResponse::default(), api_version),
        _ => body(&SaslAuthenticateResponse::default().with_error_code(58).with_error_message(Some("no such user".into())), api_version),
    })
    .await;
    loop {
        match broker.events.recv().await.unwrap() {
            LinkEvent::Versions { .. } => {}
            LinkEvent::Closed { problem, .. } => break assert!(problem.contains("no such user"), "{problem}"),
            event @ (LinkEvent::Metadata { .. } | LinkEvent::Lost { .. }) => panic!("{event:?}"),
        }
    }
}

#[tokio::test]
async fn a_login_that_ends_is_renewed_on_the_same_connection() {
    let mut broker = broker(true, |api_key, api_version| match api_key {
        api::SASL_HANDSHAKE => body(&SaslHandshakeResponse::default(), api_version),
        api::SASL_AUTHENTICATE => body(&SaslAuthenticateResponse::default().with_session_lifetime_ms(200), api_version),
        _ => body(&MetadataResponse::default(), api_version),
    })
    .await;
    let round = [api::SASL_HANDSHAKE, api::SASL_AUTHENTICATE, api::METADATA];
    let expected = [&[-1, api::API_VERSIONS], round.as_slice(), &round, &round].concat();
    for (place, expected) in expected.into_iter().enumerate() {
        assert_eq!(broker.requests.recv().await.unwrap(), expected, "request {place}");
    }
}
