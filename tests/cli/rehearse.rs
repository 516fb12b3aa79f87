//! `leeward rehearse` and what is sent to each broker, in front of the sandbox.
#![expect(clippy::unwrap_used, reason = "a test may panic, and says where")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use leeward::sandbox::{Sandbox, SandboxConfig};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{PORTS, Running};

const LIMIT: Duration = Duration::from_secs(30);

/// Its admin endpoint has the last of its ports, and clients the first.
fn bootstrap_of(running: &Running) -> String {
    let admin: SocketAddr = running.admin.parse().unwrap();
    format!("127.0.0.1:{}", admin.port() - (PORTS - 1))
}

fn metrics_of(running: &Running) -> String {
    let mut stream = TcpStream::connect(&running.admin).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", running.admin).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_rehearsed_from_the_traffic_of_now() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    sandbox.create_topic("orders", 6, 3, 2).await.expect("a topic");
    let running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let leaders: Vec<_> = sandbox.state().partitions.into_iter().filter(|now| now.leader == 2).map(|now| now.partition).collect();

    let ran = running.tell(&["rehearse", "broker", "2"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("no client of Leeward's has a connection to broker 2 now") && ran.out.lines().all(|line| line.chars().count() <= 100),
        "{}",
        ran.out
    );
    let ran = running.tell(&["rehearse", "broker", "7"]);
    assert!(ran.code == Some(1) && ran.err.contains("there is no broker 7: 1, 2, 3 are known"), "{}", ran.err);
    let ran = running.tell(&["rehearse", "broker", "2", "--stop", "gently"]);
    assert!(ran.code == Some(2) && ran.err.contains("graceful, crash, any"), "{}", ran.err);

    // 40 records to each partition of broker 2, each acknowledged before the next: as many Produce requests.
    let bootstrap = bootstrap_of(&running);
    let (sent, partitions) = (40, leaders.clone());
    let producer = tokio::task::spawn_blocking(move || {
        let mut config = rdkafka::config::ClientConfig::new();
        config.set("bootstrap.servers", &bootstrap).set("broker.address.family", "v4").set("client.id", "till").set("linger.ms", "0");
        let producer: BaseProducer = config.create().expect("a producer");
        for _ in 0..sent {
            for partition in &partitions {
                producer.send(BaseRecord::<[u8], [u8]>::to("orders").partition(*partition).payload(&[7; 100])).expect("room");
                producer.flush(Duration::from_secs(10)).expect("acknowledged");
            }
        }
        producer
    });
    let producer = producer.await.expect("it ends");
    let traffic = |status: &serde_json::Value| status["cluster"]["brokers"][1]["traffic"].clone();
    let deadline = Instant::now() + LIMIT;
    let measured = loop {
        let now = traffic(&running.json(&["status"]));
        if now["now"]["produce"].as_f64().is_some_and(|rate| rate > 0.0) {
            break now;
        }
        assert!(Instant::now() < deadline, "{now}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((&measured["sessions"], measured["produce_or_fetch_seconds_ago"].as_u64().is_some()), (&1.into(), true), "{measured}");
    let row = format!("leeward_requests_sent_total{{node_id=\"2\",kind=\"produce\"}} {}", sent * leaders.len());
    let metrics = metrics_of(&running);
    assert!(metrics.lines().any(|line| line == row), "{row} is not in\n{metrics}");

    let rehearsal = running.json(&["rehearse", "broker", "2", "--stop", "graceful"]);
    let moves: Vec<_> = rehearsal["graceful"]["moves"].as_array().expect("a list").iter().map(|moved| moved["partition"].as_i64()).collect();
    assert_eq!(moves, leaders.iter().map(|partition| Some(i64::from(*partition))).collect::<Vec<_>>());
    assert_eq!((&rehearsal["sessions"], &rehearsal["graceful"]["errors"]), (&1.into(), &false.into()), "{rehearsal:#}");
    // The sandbox's brokers are of no release, so a crash is reckoned as the slowest.
    assert_eq!(rehearsal["crash"]["timed_out"][0]["client_id"], "till", "{rehearsal:#}");
    assert_eq!(running.tell(&["rehearse", "broker", "2", "--stop", "crash"]).code, Some(3));
    assert!(rehearsal["requests_per_second"]["produce"].as_f64() > Some(0.0), "{rehearsal:#}");

    // One replica, on that broker: whoever writes there sees an error.
    sandbox.create_topic("lonely", 3, 1, 1).await.expect("a topic of one replica");
    let ran = running.tell(&["rehearse", "broker", "2", "--stop", "graceful"]);
    assert!(ran.code == Some(3) && ran.out.contains("a client would see an error") && ran.out.contains("would have no leader until it is back"), "{}", ran.out);
    drop(producer);
    let ran = running.tell(&["cluster"]);
    assert!(ran.out.contains("LAST PRODUCE OR FETCH"), "{}", ran.out);
    sandbox.shutdown().await;
}
