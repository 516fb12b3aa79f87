use super::*;

fn frame(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(api_key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 2, b'm', b'e']);
    frame.extend(body);
    frame
}

fn peek(api_key: i16, api_version: i16) -> Peek {
    Peek { api_key, api_version, correlation_id: 1, produce: None }
}

#[test]
fn versions_are_kept_with_whether_they_were_the_clients_own_choice() {
    let mut portrait = Portrait::default();
    assert!(portrait.used(&peek(1, 4), || Some(11)));
    assert!(!portrait.used(&peek(1, 4), || panic!("what was seen is not looked up again")));
    assert!(portrait.used(&peek(1, 11), || Some(11)));
    assert!(portrait.used(&peek(3, 200), || None));
    let [fetch, metadata] = portrait.traits.uses.as_slice() else { panic!("{:?}", portrait.traits.uses) };
    assert_eq!((Used::numbers(fetch.versions).collect::<Vec<_>>(), Used::numbers(fetch.chosen).collect::<Vec<_>>()), (vec![4, 11], vec![4]));
    assert_eq!(Used::numbers(metadata.versions).collect::<Vec<_>>(), [VERSION_MAX]);
    assert_eq!(metadata.chosen, 0);
}

#[test]
fn a_user_is_seen_and_nothing_else_of_a_token() {
    let handshake = |name: &str| frame(17, 1, &[&[0, name.len() as u8], name.as_bytes()].concat());
    let token = |bytes: &[u8]| frame(36, 0, &[&(bytes.len() as u32).to_be_bytes(), bytes].concat());
    for (mechanism, bytes, user) in [
        ("PLAIN", b"\0alice\0secret".as_slice(), Some("alice")),
        ("PLAIN", b"admin\0bob\0secret", Some("bob")),
        ("PLAIN", b"alice", None),
        ("PLAIN", b"\0\0secret", None),
        ("SCRAM-SHA-256", b"n,,n=carol,r=nonce", Some("carol")),
        ("SCRAM-SHA-512", b"c=biws,r=nonce,p=proof", None),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer secret\x01\x01", None),
        ("GSSAPI", b"\0dave\0secret", None),
    ] {
        let mut portrait = Portrait::default();
        portrait.handshake(&handshake(mechanism));
        assert_eq!(portrait.authenticate(&token(bytes)), user.is_some(), "{mechanism}");
        assert_eq!(portrait.traits.principal.as_deref(), user, "{mechanism}");
        assert!(!format!("{portrait:?}").contains("secret"), "{portrait:?}");
    }
    let mut portrait = Portrait::default();
    assert!(!portrait.authenticate(&token(b"\0alice\0secret")), "no mechanism was named");
}

#[test]
fn groups_are_bounded_and_each_is_kept_once() {
    let mut portrait = Portrait::default();
    let join = |group: &str| frame(11, 2, &[&[0, group.len() as u8], group.as_bytes(), &[0; 12]].concat());
    for (group, new) in [("a", true), ("a", false), ("", false), ("b", true), ("c", true), ("d", true), ("e", false)] {
        assert_eq!(portrait.joins(&join(group)), new, "{group}");
    }
    assert_eq!(portrait.traits.groups.len(), GROUPS_MAX);
}

#[test]
fn names_are_cut_at_whole_characters() {
    assert_eq!(cut("orders"), "orders");
    assert_eq!(cut(&"é".repeat(100)).len(), NAME_BYTES_MAX);
    assert_eq!(cut(&format!("x{}", "é".repeat(100))).len(), NAME_BYTES_MAX - 1);
}
