use super::*;
use crate::config::{Config, Override};

const READER: &str = "reader-0123456789";
const WRITER: &str = "writer-0123456789";

fn admin(tokens: bool) -> Admin {
    let file = "upstream.bootstrap = [\"a:1\"]\nadmin.listen = \"127.0.0.5:19000\"\n".to_owned();
    let said = format!("[admin.tokens]\nread_only = {{ scraper = \"{READER}\" }}\nread_write = {{ ops = \"{WRITER}\" }}\n");
    let text = if tokens { format!("{file}{said}") } else { file };
    Config::from_parts(Some((std::path::Path::new("f"), &text)), &Vec::<Override>::new()).unwrap().admin
}

fn ask(admin: &Admin, method: &Method, path: &str, given: &[(&'static str, &str)]) -> Result<Option<String>, Denied> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    caller(admin, method, &path.parse().unwrap(), &headers).map(|caller| caller.token)
}

#[test]
fn a_token_may_what_it_is_for() {
    let admin = admin(true);
    let (reader, writer) = (format!("Bearer {READER}"), format!("bearer  {WRITER} "));
    for (method, path, authorization, expected) in [
        (Method::GET, "/livez", None, Ok(None)),
        (Method::HEAD, "/readyz", None, Ok(None)),
        (Method::POST, "/livez", None, Err(Denied::NoToken)),
        (Method::GET, "/livez/", None, Err(Denied::NoToken)),
        (Method::GET, "/metrics", None, Err(Denied::NoToken)),
        (Method::GET, "/nothing", None, Err(Denied::NoToken)),
        (Method::GET, "/v1/status", Some("Basic b3BzOm9wcw=="), Err(Denied::NoToken)),
        (Method::GET, "/v1/status", Some("Bearer"), Err(Denied::NoToken)),
        (Method::GET, "/v1/status", Some("Bearer "), Err(Denied::NoToken)),
        (Method::GET, "/v1/status", Some("Bearer writer-0123456788"), Err(Denied::WrongToken)),
        (Method::GET, "/v1/status", Some(&reader), Ok(Some("scraper"))),
        (Method::GET, "/v1/status", Some(&writer), Ok(Some("ops"))),
        (Method::POST, "/v1/reload", Some(&reader), Err(Denied::ReadOnly)),
        (Method::DELETE, "/v1/maintenance/schedules", Some(&reader), Err(Denied::ReadOnly)),
        (Method::POST, "/v1/reload", Some(&writer), Ok(Some("ops"))),
        (Method::POST, "/v1/reload", None, Err(Denied::NoToken)),
    ] {
        let given: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let answered = ask(&admin, &method, path, &given);
        assert_eq!(answered, expected.map(|name: Option<&str>| name.map(str::to_owned)), "{method} {path} {authorization:?}");
    }
    // With a token a name that resolves to the machine is as good as its address.
    assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[("authorization", &writer), ("host", "leeward.example")]), Ok(Some("ops".to_owned())));
    assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[("authorization", &writer), ("origin", "http://127.0.0.5:19000")]), Err(Denied::FromAPage));
    // The page itself is for everybody, what it shows is not.
    for path in ["/", "/page.css", "/page.js"] {
        assert_eq!(ask(&admin, &Method::GET, path, &[]), Ok(None), "{path}");
        assert_eq!(ask(&admin, &Method::POST, path, &[]), Err(Denied::NoToken), "{path}");
    }
    assert_eq!(ask(&admin, &Method::GET, "/v1/events", &[]), Err(Denied::NoToken));
    assert_eq!(ask(&admin, &Method::GET, "/v1/events", &[("authorization", &reader)]), Ok(Some("scraper".to_owned())));
    assert_eq!(ask(&admin, &Method::GET, "/v1/events?token=writer-0123456789", &[]), Err(Denied::NoToken), "no token in a URL");
}

#[test]
fn the_page_of_this_very_address_may_send_commands_and_no_other() {
    let (open, locked) = (admin(false), admin(true));
    let writer = format!("Bearer {WRITER}");
    let post = |admin: &Admin, given: &[(&'static str, &str)]| ask(admin, &Method::POST, "/v1/reload", given);
    for (host, origin) in [("127.0.0.5:19000", "http://127.0.0.5:19000"), ("localhost:19000", "http://localhost:19000"), ("[::1]:80", "http://[::1]:80")] {
        assert_eq!(post(&open, &[("host", host), ("origin", origin)]), Ok(None), "{origin}");
        assert_eq!(post(&open, &[("host", host), ("origin", origin), ("sec-fetch-site", "same-origin")]), Ok(None), "{origin}");
        assert_eq!(post(&locked, &[("host", host), ("origin", origin)]), Err(Denied::NoToken), "a page alone is no permission");
        assert_eq!(post(&locked, &[("host", host), ("origin", origin), ("authorization", &writer)]), Ok(Some("ops".to_owned())));
    }
    // Another port, name or scheme is another page; so is one that names nobody, or two.
    for origin in [
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:19000",
        "null",
        "",
        "http://",
        "file://",
        "ws://localhost:19000",
        "http://localhost:19000/",
    ] {
        assert_eq!(post(&open, &[("host", "localhost:19000"), ("origin", origin)]), Err(Denied::FromAPage), "{origin:?}");
        assert_eq!(post(&locked, &[("host", "localhost:19000"), ("origin", origin), ("authorization", &writer)]), Err(Denied::FromAPage), "{origin:?}");
    }
    let own = ("origin", "http://localhost:19000");
    assert_eq!(post(&open, &[own, ("origin", "http://evil.example"), ("host", "localhost:19000")]), Err(Denied::FromAPage));
    assert_eq!(post(&open, &[own, ("host", "localhost:19000"), ("host", "evil.example")]), Err(Denied::FromAPage));
    assert_eq!(post(&open, &[own]), Err(Denied::FromAPage), "no Host that it could be equal to");
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(post(&open, &[own, ("host", "localhost:19000"), ("sec-fetch-site", site)]), Err(Denied::FromAPage), "{site}");
    }
    // A name that was made to lead here (DNS rebinding): the page names itself and its Host alike, and still gets nothing.
    let rebound = [("host", "evil.example:19000"), ("origin", "http://evil.example:19000"), ("sec-fetch-site", "same-origin")];
    assert_eq!(post(&open, &rebound), Err(Denied::StrangeHost));
    assert_eq!(post(&locked, &rebound), Err(Denied::NoToken));
    assert_eq!(ask(&open, &Method::GET, "/v1/events", &rebound), Err(Denied::StrangeHost), "nor may it look on");
    // Behind a proxy that ends TLS, with a token.
    let proxied = [("host", "leeward.example"), ("origin", "https://leeward.example"), ("authorization", writer.as_str())];
    assert_eq!(post(&locked, &proxied), Ok(Some("ops".to_owned())));
}

#[test]
fn without_tokens_only_what_a_page_could_send_is_refused() {
    let admin = admin(false);
    let foreign =
        ["leeward.example:19000", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:19000", "10.0.0.1:19000", "", "[::2]:1", "notlocalhost"];
    for host in foreign {
        assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[("host", host)]), Err(Denied::StrangeHost), "{host}");
        assert_eq!(ask(&admin, &Method::GET, "/v1/status", &[("host", host)]), Ok(None), "{host}");
    }
    for host in ["127.0.0.5:19000", "127.0.0.1:4000", "localhost:19000", "LOCALHOST.", "leeward.localhost:1", "[::1]:19000"] {
        assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[("host", host)]), Ok(None), "{host}");
    }
    assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[]), Ok(None), "a program without a Host");
    assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[("host", "localhost"), ("host", "evil.example")]), Err(Denied::StrangeHost));
    assert_eq!(ask(&admin, &Method::POST, "http://evil.example/v1/reload", &[("host", "localhost")]), Err(Denied::StrangeHost));
    assert_eq!(ask(&admin, &Method::POST, "/v1/reload", &[("host", "localhost"), ("origin", "http://evil.example")]), Err(Denied::FromAPage));
}

#[test]
fn an_open_address_without_a_token_lets_nobody_in() {
    let mut admin = admin(false);
    admin.listen = "0.0.0.0:19000".parse().unwrap();
    assert_eq!(ask(&admin, &Method::GET, "/v1/status", &[("host", "localhost"), ("authorization", "Bearer ")]), Err(Denied::NoToken));
    assert_eq!(ask(&admin, &Method::GET, "/v1/status", &[("authorization", "Bearer 0123456789abcdef")]), Err(Denied::WrongToken));
    assert_eq!(ask(&admin, &Method::GET, "/livez", &[]), Ok(None));
}

#[test]
fn authors_are_signed_by_their_token() {
    let by = |token: Option<&str>, author: Option<&str>| Caller { token: token.map(str::to_owned) }.sign(author.map(str::to_owned));
    assert_eq!(by(Some("ops"), Some(" alice ")).as_deref(), Some("alice (token ops)"));
    assert_eq!(by(Some("ops"), Some(" ")).as_deref(), Some("token ops"));
    assert_eq!(by(None, Some("alice")).as_deref(), Some("alice"));
    assert_eq!(by(None, None), None);
}
