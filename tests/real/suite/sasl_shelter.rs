//! What becomes of a connection behind a login when its broker goes: where the login can be said again, nothing; where not, see [`scram`].

mod scram;

use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::sasl::Scene;
use super::stored::odd_batch;
use crate::clients::java::Java;
use crate::cluster::sasl::ALICE;
use crate::wire::Wire;

/// How a client logs in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Login {
    Plain,
    OauthBearer,
}

/// Logs in at the virtual broker of a leader, produces, has the broker stopped, and produces again on the same connection.
pub(super) fn a_broker_goes(scene: &mut Scene, java: &mut Java, login: Login) {
    let topic = format!("goes-{login:?}").to_lowercase();
    scene.create(java, &topic, 1);
    let leader = scene.cluster.leader(&topic, 0);
    let mut wire = Wire::connect(&scene.front.address(&scene.cluster, leader)).unwrap();
    authenticate(&mut wire, login);
    let produce =
        |wire: &mut Wire, n: i64| wire.produce(&topic, 0, -1, odd_batch(1_700_000_000_000 + n, 1), 3).map(|answer| (answer.error_code, answer.base_offset));
    assert_eq!(produce(&mut wire, 0), Ok((0, 0)));
    scene.cluster.stop(leader);
    let behind = [produce(&mut wire, 1), produce(&mut wire, 2)];
    scene.cluster.restart(leader);
    scene.cluster.await_in_sync();
    let again = produce(&mut wire, 3);
    if scene.front.is_leeward() {
        assert_eq!((behind, again), ([Ok((0, 2)), Ok((0, 4))], Ok((0, 6))), "{login:?}");
    } else {
        assert!(behind.iter().all(Result::is_err), "{login:?}: {behind:?}");
    }
}

fn authenticate(wire: &mut Wire, login: Login) {
    let (mechanism, token) = match login {
        Login::Plain => ("PLAIN", format!("\0{}\0{}", ALICE.name, ALICE.password)),
        // Unsecured (RFC 7515, appendix A.5): the algorithm none, alice until the year 2100, and no signature.
        Login::OauthBearer => {
            ("OAUTHBEARER", "n,,\x01auth=Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.\x01\x01".to_owned())
        }
    };
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    assert_eq!(wire.ask(&request, 1).unwrap().error_code, 0, "{mechanism}");
    let answer = wire.ask(&SaslAuthenticateRequest::default().with_auth_bytes(token.into()), 1).unwrap();
    assert_eq!(answer.error_code, 0, "{mechanism}: {:?}", answer.error_message);
}
