use super::*;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::from_parts(Some((Path::new("leeward.toml"), text)), &[])
}

fn flags(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let overrides: Vec<_> =
        pairs.iter().map(|(key, text)| Override { key: (*key).to_owned(), flag: format!("--set {key}"), text: (*text).to_owned() }).collect();
    Config::from_parts(None, &overrides)
}

const LEAST: &str = "upstream.bootstrap = [\"127.0.0.1:9092\"]\n";

fn errors(text: &str) -> Vec<String> {
    parse(text).map_or_else(|errors| errors.0.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn one_upstream_is_enough() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.listen.bootstrap, "127.0.0.1:19092".parse().unwrap());
    assert_eq!(config.listen.advertised_host, "127.0.0.1");
    assert_eq!((config.listen.virtual_brokers.base_port, config.listen.virtual_brokers.range), (19093, 1000));
    assert_eq!(config.limits.frame_bytes_max, 100 << 20);
    assert_eq!(config.limits.idle_timeout, Duration::from_secs(600));
    assert!(config.runtime.workers >= 1);
    assert_eq!(flags(&[("upstream.bootstrap", "127.0.0.1:9092")]).unwrap(), config);
}

#[test]
fn flags_win_over_the_file() {
    let given = [("listen.bootstrap", "127.0.0.1:29092"), ("limits.idle_timeout", "20m"), ("runtime.workers", "3"), ("log.format", "json")];
    let overrides: Vec<_> = given.iter().map(|(key, text)| Override { key: (*key).to_owned(), flag: String::new(), text: (*text).to_owned() }).collect();
    let file = format!("{LEAST}listen.bootstrap = \"127.0.0.1:39092\"\nlimits.write_timeout = \"9s\"\n");
    let config = Config::from_parts(Some((Path::new("f"), &file)), &overrides).unwrap();
    assert_eq!(config.listen.bootstrap.port(), 29092);
    assert_eq!(config.listen.virtual_brokers.base_port, 29093);
    assert_eq!((config.limits.idle_timeout, config.limits.write_timeout), (Duration::from_secs(1200), Duration::from_secs(9)));
    assert_eq!((config.runtime.workers, config.log.format), (3, LogFormat::Json));
}

/// What stands in the file behind [`LEAST`], and what the only error about it begins with or contains.
const WRONG: &[(&str, &str, &str)] = &[
    ("limits.frame_byte_max = 1", "leeward.toml:2: limits.frame_byte_max: there is no such key; did you mean limits.frame_bytes_max?", ""),
    ("[limit]\nidle_timeout = \"1m\"", "leeward.toml:2: limit: there is no such key; did you mean limits?", ""),
    ("limits = 3", "leeward.toml:2: limits: it is a section, not a value", "write [limits]"),
    ("limits.idle_timeout = 600", "leeward.toml:2: limits.idle_timeout: it is the number 600, not a text in quotes", "\"1m30s\""),
    ("limits.idle_timeout = \"600\"", "leeward.toml:2: limits.idle_timeout: \"600\" has no unit", "units: ms, s, m, h"),
    ("limits.idle_timeout = \"10ms\"", "leeward.toml:2: limits.idle_timeout: 10ms is below 1s", "from 1s to 168h"),
    ("limits.frame_bytes_max = \"100MB\"", "leeward.toml:2: limits.frame_bytes_max: \"100MB\" is not a size", "KiB, MiB, GiB"),
    ("limits.frame_bytes_max = -1", "leeward.toml:2: limits.frame_bytes_max: -1 is negative", ""),
    ("limits.frame_bytes_max = 1.5", "leeward.toml:2: limits.frame_bytes_max: it is a number with a fraction", ""),
    ("limits.frame_bytes_max = \"3GiB\"", "leeward.toml:2: limits.frame_bytes_max: 3GiB is above", ""),
    ("limits.sessions_max = 0", "leeward.toml:2: limits.sessions_max: 0 is below 1", "from 1 to"),
    ("limits.sessions_max = \"many\"", "leeward.toml:2: limits.sessions_max: it is \"many\", not a number", ""),
    ("limits.session_bytes_in_flight_max = 0", "leeward.toml:2: limits.session_bytes_in_flight_max: 0B is below 1KiB", ""),
    ("limits.session_requests_in_flight_max = 0", "leeward.toml:2: limits.session_requests_in_flight_max: 0 is below 1", ""),
    ("limits.buffer_bytes = 0", "leeward.toml:2: limits.buffer_bytes: 0B is below 4KiB", ""),
    ("runtime.workers = 0", "leeward.toml:2: runtime.workers: 0 is below 1", "\"cores\""),
    ("runtime.workers = \"all\"", "leeward.toml:2: runtime.workers: it is \"all\", not a number", ""),
    ("listen.bootstrap = \"localhost:9092\"", "leeward.toml:2: listen.bootstrap: \"localhost:9092\" is a name", "an IP address with a port"),
    ("listen.bootstrap = \"0.0.0.0:19092\"", "default: listen.advertised_host: it is missing, and 0.0.0.0", "--advertised-host"),
    ("listen.bootstrap = \"127.0.0.1:0\"", "default: listen.virtual_brokers.base_port: it is missing", "--base-port"),
    ("listen.advertised_host = \"kafka:9092\"", "leeward.toml:2: listen.advertised_host: \"kafka:9092\" is not a host", "without a port"),
    ("listen.virtual_brokers.base_port = 0", "leeward.toml:2: listen.virtual_brokers.base_port: 0 is below 1", ""),
    ("listen.virtual_brokers.base_port = 65000", "default: listen.virtual_brokers.range: 1000 ports from 65000 on end at 65999", "a range of 536 at most"),
    ("listen.virtual_brokers.base_port = 19090", "default: listen.bootstrap: port 19092 lies among the virtual brokers' ports 19090 to 20089", ""),
    ("listen.virtual_brokers.base_port = 18050", "default: admin.listen: port 19000 lies among", ""),
    ("listen.virtual_brokers.bind = \"here\"", "leeward.toml:2: listen.virtual_brokers.bind: \"here\" is not an IP address", ""),
    ("listen.virtual_brokers.ports = { 1 = 5, 2 = 5 }", "leeward.toml:2: listen.virtual_brokers.ports: nodes 1 and 2 have the same port 5", ""),
    ("listen.virtual_brokers.ports = { 1 = 19092 }", "leeward.toml:2: listen.virtual_brokers.ports: port 19092 of node 1 is taken by listen.bootstrap", ""),
    ("listen.virtual_brokers.ports = { one = 5 }", "leeward.toml:2: listen.virtual_brokers.ports: \"one\" is not a node id", ""),
    ("listen.virtual_brokers.ports = { 1 = 70000 }", "leeward.toml:2: listen.virtual_brokers.ports: node 1 has no port from 1 to 65535", ""),
    ("listen.virtual_brokers.ports = [1]", "leeward.toml:2: listen.virtual_brokers.ports: it is a list, not a table", ""),
    ("admin.listen = \"127.0.0.1:19092\"", "leeward.toml:2: admin.listen: port 19092 is taken by listen.bootstrap", ""),
    ("admin.listen = \"0.0.0.0:19000\"", "leeward.toml:2: admin.listen: 0.0.0.0 is not a loopback address, and there is no token", "admin.tokens.read_write"),
    ("admin.listen = \"[::]:19000\"", "leeward.toml:2: admin.listen: :: is not a loopback address", "127.0.0.1"),
    ("admin.tokens.read_write = \"hunter2\"", "leeward.toml:2: admin.tokens.read_write: it is not a table of names", "{ file = "),
    ("admin.tokens.read_write = { ops = 7 }", "leeward.toml:2: admin.tokens.read_write: what stands for ops is neither", ""),
    ("admin.tokens.read_write = { ops = { path = \"f\" } }", "leeward.toml:2: admin.tokens.read_write: what stands for ops is not { file = ", ""),
    ("admin.tokens.read_write = { \"o p\" = \"0123456789abcdef\" }", "leeward.toml:2: admin.tokens.read_write: a name is empty, has more than", ""),
    ("admin.tokens.read_only = { ops = \"hunter2\" }", "leeward.toml:2: admin.tokens.read_only: the token ops has 7 bytes", "openssl rand"),
    (
        "admin.tokens.read_only = { ops = { file = \"/nowhere/ops\" } }",
        "leeward.toml:2: admin.tokens.read_only: the token ops cannot be read from /nowhere/ops",
        "",
    ),
    (
        "admin.tokens = { read_only = { a = \"0123456789abcdef\" }, read_write = { b = \"0123456789abcdef\" } }",
        "leeward.toml:2: admin.tokens.read_write: a and b are the same token",
        "",
    ),
    (
        "admin.tokens = { read_only = { a = \"0123456789abcdef\" }, read_write = { a = \"fedcba9876543210\" } }",
        "leeward.toml:2: admin.tokens.read_write: the name a stands twice",
        "a name of its own",
    ),
    ("limits.first_frame_bytes_max = \"200MiB\"", "leeward.toml:2: limits.first_frame_bytes_max: 200MiB is above limits.frame_bytes_max, 100MiB", ""),
    ("limits.buffer_bytes_max = \"64KiB\"", "leeward.toml:2: limits.buffer_bytes_max: 64KiB are not two buffers", "at least"),
    ("limits.sessions_per_address_max = 20001", "leeward.toml:2: limits.sessions_per_address_max: 20001 is above limits.sessions_max", ""),
    ("upstream.sasl_plain.username = \"leeward\"", "default: upstream.sasl_plain.password: a username stands without it", "both or neither"),
    ("upstream.sasl_plain.password = \"secret\"", "default: upstream.sasl_plain.username: a password stands without it", ""),
    ("upstream.zookeeper_chroot = \"kafka\"", "leeward.toml:2: upstream.zookeeper_chroot: \"kafka\" is no path of ZooKeeper", "\"/kafka\""),
    ("guard.absorb = \"sometimes\"", "leeward.toml:2: guard.absorb: \"sometimes\" is none of them", "\"always\", \"window\" or \"never\""),
    ("guard.mode = \"off\"", "leeward.toml:2: guard.mode: \"off\" is none of them", "\"on\" or \"watch\""),
    ("guard.detect = \"true\"", "leeward.toml:2: guard.detect: it is \"true\", not a boolean", "true or false"),
    ("guard.window_default = \"25h\"", "leeward.toml:2: guard.window_default: 25h is above guard.window_max, 24h", "raise guard.window_max"),
    ("guard.hold_max = true", "leeward.toml:2: guard.hold_max: it is the boolean true, not a text in quotes", ""),
    ("log.format = \"xml\"", "leeward.toml:2: log.format: \"xml\" is not a log format", "\"text\" or \"json\""),
    ("log.filter = \"leeward=loud\"", "leeward.toml:2: log.filter: \"leeward=loud\" is not a filter", ""),
    ("limits.idle_timeout = ", "leeward.toml:2: ", "TOML"),
];

#[test]
fn each_error_says_where_what_and_what_is_allowed() {
    for (line, beginning, containing) in WRONG {
        let found = errors(&format!("{LEAST}{line}\n"));
        assert_eq!(found.len(), 1, "{line}: {found:#?}");
        assert!(found[0].starts_with(beginning), "{line}\n  said:     {}\n  expected: {beginning}", found[0]);
        assert!(found[0].contains(containing), "{line}\n  said: {}\n  without: {containing}", found[0]);
    }
}

#[test]
fn upstream_addresses_are_checked() {
    for (value, problem) in [
        ("\"127.0.0.1:9092\"", "not a list; write [\"127.0.0.1:9092\"]"),
        ("[]", "the list is empty"),
        ("[\"kafka\"]", "\"kafka\" has no port"),
        ("[\"kafka://a:1\"]", "has a scheme"),
        ("[9092]", "the number 9092, not a text"),
    ] {
        let found = errors(&format!("[upstream]\nbootstrap = {value}\n"));
        assert!(found.len() == 1 && found[0].starts_with("leeward.toml:2: upstream.bootstrap: ") && found[0].contains(problem), "{value}: {found:?}");
    }
    assert!(errors("")[0].starts_with("default: upstream.bootstrap: it is missing"));
}

#[test]
fn all_errors_come_at_once() {
    let found = errors("colour = 1\n[limits]\nidle_timeout = 5\nsessions_max = 0\n[log]\nformat = 3\n");
    assert_eq!(found.len(), 5, "{found:#?}");
    let found = errors("a = \nb = ]\nc = 1\n");
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[test]
fn tokens_come_from_the_file_and_from_files_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ops.token");
    std::fs::write(&path, "0123456789abcdef\n").unwrap();
    let said = format!(
        "[admin]\nlisten = \"0.0.0.0:19000\"\n[admin.tokens.read_write]\nops = {{ file = {:?} }}\nci = \"fedcba9876543210\"\n",
        path.display().to_string()
    );
    let config = parse(&format!("{LEAST}{said}")).unwrap();
    let names: Vec<_> = config.admin.tokens.read_write.iter().map(|token| (token.name.as_str(), token.is(b"0123456789abcdef"))).collect();
    assert_eq!(names, [("ci", false), ("ops", true)]);
    let by_flag = flags(&[("upstream.bootstrap", "a:1"), ("admin.tokens.read_write", &format!("ops={}", path.display()))]).unwrap();
    assert!(by_flag.admin.tokens.read_write[0].is(b"0123456789abcdef"));
    let refused = flags(&[("upstream.bootstrap", "a:1"), ("admin.tokens.read_write", "fedcba9876543210")]).unwrap_err().to_string();
    assert!(refused.contains("NAME=FILE") && !refused.contains("fedcba"), "{refused}");
    // A file that has changed is a change, which says nothing of what is in it.
    std::fs::write(&path, "another-0123456789\n").unwrap();
    let changes = Config::diff(&config, &parse(&format!("{LEAST}{said}")).unwrap());
    assert_eq!(changes.iter().map(|change| (change.key.as_str(), change.old == change.new)).collect::<Vec<_>>(), [("admin.tokens.read_write", true)]);
}

#[test]
fn every_wrong_token_is_an_error_of_its_own() {
    let found = errors(&format!("{LEAST}admin.tokens.read_only = {{ a = \"short\", b = \"0123456789abcde\" }}\nadmin.listen = 3\n"));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().all(|error| !error.contains("short") && !error.contains("0123456789abcde")), "{found:#?}");
}

#[test]
fn the_last_token_stays_while_its_address_does() {
    let open = parse(&format!("{LEAST}admin.listen = \"0.0.0.0:19000\"\nadmin.tokens.read_only = {{ a = \"0123456789abcdef\" }}\n")).unwrap();
    let closed = parse(LEAST).unwrap();
    let error = open.with_applicable(&closed).check_reload().unwrap_err().to_string();
    assert!(error.starts_with("in force: admin.listen: 0.0.0.0 is not a loopback address"), "{error}");
    closed.with_applicable(&open).check_reload().unwrap();
}

#[test]
fn unreadable_files_are_one_error() {
    let source = ConfigSource { file: Some(PathBuf::from("/nowhere/leeward.toml")), overrides: Vec::new() };
    let errors = source.load().unwrap_err();
    assert!(errors.to_string().starts_with("/nowhere/leeward.toml: cannot be read: "), "{errors}");
}

/// For every key a value that is not its default.
const OTHER: &[(&str, &str)] = &[
    ("upstream.bootstrap", "[\"a:1\", \"[::1]:2\"]"),
    ("upstream.connect_timeout", "\"3s\""),
    ("upstream.refresh_interval", "\"1m30s\""),
    ("upstream.zookeeper", "[\"zk1:2181\", \"zk2:2181\"]"),
    ("upstream.zookeeper_chroot", "\"/kafka\""),
    ("upstream.sasl_plain.username", "\"us\\\"er\""),
    ("upstream.sasl_plain.password", "\"secret\""),
    ("listen.bootstrap", "\"127.0.0.2:1092\""),
    ("listen.advertised_host", "\"kafka.example.com\""),
    ("listen.virtual_brokers.bind", "\"127.0.0.3\""),
    ("listen.virtual_brokers.base_port", "2000"),
    ("listen.virtual_brokers.range", "10"),
    ("listen.virtual_brokers.ports", "{ 1 = 3001, 2 = 3002 }"),
    ("admin.listen", "\"127.0.0.1:4000\""),
    ("admin.tokens.read_only", "{ scraper = \"secret-of-the-scraper\" }"),
    ("admin.tokens.read_write", "{ ops = \"secret-of-the-operator\" }"),
    ("limits.frame_bytes_max", "\"99MiB\""),
    ("limits.first_frame_bytes_max", "\"1025B\""),
    ("limits.session_bytes_in_flight_max", "\"1GiB\""),
    ("limits.session_requests_in_flight_max", "7"),
    ("limits.buffer_bytes_max", "\"8GiB\""),
    ("limits.buffer_bytes", "\"64KiB\""),
    ("limits.sessions_max", "8"),
    ("limits.sessions_per_address_max", "5"),
    ("limits.idle_timeout", "\"1h\""),
    ("limits.first_request_timeout", "\"100ms\""),
    ("limits.write_timeout", "\"2m\""),
    ("limits.shutdown_grace", "\"0s\""),
    ("guard.absorb", "\"never\""),
    ("guard.mode", "\"watch\""),
    ("guard.hold_max", "\"5s\""),
    ("guard.hold_lookup_max", "\"6s\""),
    ("guard.held_bytes_max", "\"1GiB\""),
    ("guard.window_max", "\"12h\""),
    ("guard.window_default", "\"1h\""),
    ("guard.detect", "true"),
    ("guard.detect_window", "\"10m\""),
    ("guard.detect_quiet", "\"5m\""),
    ("roll.allow_commands", "true"),
    ("tap.records", "true"),
    ("tap.frame_bytes_max", "\"64KiB\""),
    ("state.directory", "\"/var/lib/leeward\""),
    ("state.topic", "\"__leeward_state\""),
    ("runtime.workers", "1024"),
    ("log.format", "\"json\""),
    ("log.filter", "\"leeward::session=debug,info\""),
];

fn other() -> Config {
    parse(&OTHER.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>()).unwrap()
}

#[test]
fn every_key_is_read_and_shown() {
    assert_eq!(OTHER.iter().map(|(key, _)| *key).collect::<Vec<_>>(), KEYS.iter().map(|key| key.path).collect::<Vec<_>>());
    let config = other();
    for (setting, (key, value)) in config.settings().iter().zip(OTHER) {
        let expected = match *key {
            "upstream.sasl_plain.password" => "(hidden)",
            "admin.tokens.read_only" => "{ scraper = \"(hidden)\" }",
            "admin.tokens.read_write" => "{ ops = \"(hidden)\" }",
            _ => value,
        };
        let same = |text: &str| toml::from_str::<toml::Table>(&format!("a = {text}")).ok();
        assert!(setting.value == expected || same(&setting.value) == same(expected), "{key}: {} for {expected}", setting.value);
    }
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn every_changed_key_is_named_with_when_it_applies() {
    let (old, new) = (parse(LEAST).unwrap(), other());
    let changes = Config::diff(&old, &new);
    assert_eq!(changes.iter().map(|change| change.key.as_str()).collect::<Vec<_>>(), KEYS.iter().map(|key| key.path).collect::<Vec<_>>());
    assert!(changes.iter().all(|change| !change.old.contains("secret") && !change.new.contains("secret")));
    assert_eq!(Config::diff(&new, &new), []);
    // What a reload puts in force differs from the old by exactly what may change now.
    let in_force = old.with_applicable(&new);
    let changes = Config::diff(&old, &in_force);
    let applied: Vec<_> = changes.iter().map(|change| change.key.as_str()).collect();
    let allowed: Vec<_> = KEYS.iter().filter(|key| key.applies == Applies::Now).map(|key| key.path).collect();
    assert_eq!(applied, allowed);
}

#[test]
fn every_default_in_the_table_can_be_said_in_a_file() {
    let said: String = KEYS.iter().filter_map(|key| key.default_toml().map(|value| format!("{} = {value}\n", key.path))).collect();
    assert_eq!(parse(&format!("{LEAST}{said}")).unwrap(), parse(LEAST).unwrap());
}

#[test]
fn the_example_file_holds_every_key_at_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/leeward.toml");
    let example = std::fs::read_to_string(&path).unwrap();
    assert_eq!(Config::from_parts(Some((&path, &example)), &[]).unwrap(), parse(LEAST).unwrap());
    // Keys without a default of their own stand there as comments: with those taken in, every key is named, in the table's order.
    let mut section = String::new();
    let mut named = Vec::new();
    for line in example.lines() {
        let line = line.strip_prefix("#: ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            named.push(format!("{section}.{key}"));
        }
    }
    assert_eq!(named, KEYS.iter().map(|key| key.path.to_owned()).collect::<Vec<_>>());
}

#[test]
fn the_reference_has_a_row_for_each_key() {
    let reference = reference_markdown();
    assert_eq!(reference.lines().count(), KEYS.len() + 2);
    assert!(KEYS.iter().all(|key| reference.contains(&format!("| `{}` | ", key.path))));
    assert!(KEYS.iter().all(|key| !key.meaning.contains('|') && !key.reason.contains('|')));
}

#[test]
fn hostile_files_are_errors_and_nothing_worse() {
    for text in [
        "\0",
        "[[[[",
        "a.b.c.d.e.f = { g = { h = [ [ [ ] ] ] } }",
        "upstream = []",
        "\u{feff}upstream = 1",
        "[upstream]\n[upstream]\n",
        "x = 99999999999999999999999",
    ] {
        assert!(!errors(text).is_empty(), "{text:?}");
    }
}
