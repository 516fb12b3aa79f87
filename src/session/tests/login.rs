//! What passes while a client logs in, and who is logged in again after the broker went.

use super::*;

#[test]
fn raw_sasl_tokens_pass_until_the_first_request() {
    let mut desk = Desk::new();
    let handshake = request(api::SASL_HANDSHAKE, 0, 1, &[0, 5, b'P', b'L', b'A', b'I', b'N']);
    let token = frame(b"\0Al\0\0\0\0pass");
    desk.client(&[handshake.clone(), token.clone()].concat()).unwrap();
    assert_eq!(desk.left_for_home(), handshake, "nothing behind the handshake is read before its answer");
    desk.home(&response(1, &[0, 0, 0, 0, 0, 0])).unwrap();
    desk.client(&[]).unwrap();
    assert_eq!(desk.left_for_home(), token);
    desk.home(&frame(b"")).unwrap();
    desk.left_for_client();
    desk.client(&request(HEARTBEAT, 1, 2, b"")).unwrap();
    desk.home(&response(2, &[0; 6])).unwrap();
    assert_eq!(desk.left_for_client(), response(2, &[0; 6]));
}

#[test]
fn a_refused_handshake_leaves_the_framing_alone() {
    let mut desk = Desk::new();
    desk.client(&request(api::SASL_HANDSHAKE, 0, 1, &[0, 1, b'X'])).unwrap();
    desk.home(&response(1, &[0, 33, 0, 0, 0, 0])).unwrap();
    assert_eq!(*desk.seen.errors.borrow(), [(api::SASL_HANDSHAKE, 33)]);
    assert_eq!(desk.client(&frame(b"zz")).unwrap_err().cause, CloseCause::MalformedRequest);
}

#[test]
fn scram_tokens_of_several_rounds_pass() {
    let mut desk = Desk::new();
    desk.client(&request(api::SASL_HANDSHAKE, 0, 1, &[0, 1, b'S'])).unwrap();
    desk.home(&response(1, &[0, 0, 0, 0, 0, 0])).unwrap();
    for (client, broker) in [(&b"n,,n=user,r=abcdefgh"[..], &b"r=abc,s=xyz,i=4096"[..]), (b"c=biws,r=abc,p=proof", b"v=signature")] {
        desk.client(&frame(client)).unwrap();
        desk.home(&frame(broker)).unwrap();
    }
    desk.left_for_client();
    desk.client(&request(api::METADATA, 1, 2, &[0, 0, 0, 0])).unwrap();
    desk.home(&metadata(2, 1, "b1", 9092)).unwrap();
    assert_eq!(desk.left_for_client(), metadata(2, 1, "gate", 20_001));
}

#[test]
fn behind_raw_tokens_requests_are_held_to_the_same_rules() {
    const LEADER_AND_ISR: i16 = 4;
    for (api_key, api_version, cause) in [(LEADER_AND_ISR, 0, CloseCause::InternalApi), (api::METADATA, 99, CloseCause::UnsupportedVersion)] {
        for asked_before in [false, true] {
            let mut desk = Desk::new();
            desk.client(&request(api::SASL_HANDSHAKE, 0, 1, &[0, 1, b'P'])).unwrap();
            desk.home(&response(1, &[0, 0, 0, 0, 0, 0])).unwrap();
            desk.client(&frame(b"\0Al\0\0\0\0pass")).unwrap();
            desk.home(&frame(b"")).unwrap();
            if asked_before {
                desk.client(&request(HEARTBEAT, 1, 2, b"")).unwrap();
            }
            assert_eq!(desk.client(&request(api_key, api_version, 3, &[0; 8])).unwrap_err().cause, cause);
        }
    }
}

#[test]
fn only_who_can_be_logged_in_again_keeps_the_connection_when_the_broker_goes() {
    for (mechanism, version, stays) in [("PLAIN", 1, true), ("OAUTHBEARER", 1, true), ("SCRAM-SHA-256", 1, false), ("GSSAPI", 1, false), ("PLAIN", 0, false)] {
        for absorb_at_login in [Absorb::Always, Absorb::Never] {
            let mut desk = Desk::new();
            desk.policy.absorb = absorb_at_login;
            let name = [&u16::try_from(mechanism.len()).unwrap().to_be_bytes()[..], mechanism.as_bytes()].concat();
            let handshake = request(api::SASL_HANDSHAKE, version, 1, &name);
            let token = request(api::SASL_AUTHENTICATE, 0, 2, b"\0\0\0\x05token");
            desk.client(&handshake).unwrap();
            desk.home(&response(1, &[0, 0, 0, 0, 0, 0])).unwrap();
            if version > 0 {
                desk.client(&token).unwrap();
                desk.home(&response(2, &[0, 0, 0xff, 0xff, 0, 0, 0, 0])).unwrap();
            } else {
                desk.client(&frame(b"token")).unwrap();
                desk.home(&frame(b"")).unwrap();
            }
            desk.client(&request(HEARTBEAT, 1, 3, b"")).unwrap();
            desk.home(&response(3, &[0; 6])).unwrap();
            desk.left_for_home();
            desk.policy.absorb = Absorb::Always;
            desk.lose_home().unwrap();
            desk.now += 100_000_000;
            desk.decide(Session::pump);
            assert_eq!(desk.session.take_doom().is_none(), stays, "{mechanism} v{version}, {absorb_at_login:?}");
            if stays {
                desk.now += 1_000_000_000;
                desk.client(&request(api::METADATA, 1, 4, &[0, 0, 0, 0])).unwrap();
                let sent: Vec<Vec<u8>> = std::iter::from_fn(|| desk.outbox.wishes.pop_front())
                    .filter_map(|wish| match wish {
                        outbox::Wish::Send { bytes, .. } => Some(bytes.to_vec()),
                        outbox::Wish::Open { .. } | outbox::Wish::Close { .. } => None,
                    })
                    .collect();
                let all = [sent.concat(), desk.left_for_home()].concat();
                assert!(all.starts_with(&[&handshake[..], &token].concat()), "the login is said again first");
            }
        }
    }
}
