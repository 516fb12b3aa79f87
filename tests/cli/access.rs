//! Who may change things: addresses, tokens, and what the audit file tells of a reload.

use super::*;

#[test]
fn an_open_address_needs_a_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("ops.token");
    let check = |more: &[&str]| leeward(&[&["config", "check", "--upstream", "127.0.0.1:9092", "--admin", "0.0.0.0:19000"], more].concat());
    let ran = check(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert_eq!(
        ran.err,
        "--admin: admin.listen: 0.0.0.0 is not a loopback address, and there is no token: whoever reaches it could change what Leeward does; \
         add a token (admin.tokens.read_write, admin.tokens.read_only), or listen on 127.0.0.1 or [::1]\n"
    );
    // It is refused before anything is bound.
    assert_eq!(leeward(&["run", "--upstream", "127.0.0.1:1", "--admin", "0.0.0.0:19000"]).err, ran.err);
    let said = format!("admin.tokens.read_write=ops={}", token.display());
    let ran = check(&["--set", &said]);
    assert!(ran.code == Some(2) && ran.err.contains("the token ops cannot be read from ") && ran.err.contains("holds the token alone"), "{}", ran.err);
    std::fs::write(&token, "hunter2\n").expect("written");
    let ran = check(&["--set", &said]);
    assert!(ran.code == Some(2) && ran.err.contains("has 7 bytes") && ran.err.contains("openssl rand") && !ran.err.contains("hunter2"), "{}", ran.err);
    std::fs::write(&token, "0123456789abcdef\n").expect("written");
    assert_eq!(check(&["--set", &said]).out, "the configuration is right\n");
    let ran = leeward(&["config", "show", "-o", "json", "--upstream", "127.0.0.1:9092", "--set", &said]);
    assert!(ran.code == Some(0) && !ran.out.contains("0123456789abcdef") && ran.out.contains("ops.token"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_the_admin_endpoint_to_commands() {
    const READER: &str = "reader-0123456789";
    const WRITER: &str = "writer-0123456789";
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let place = |name: &str| running.state.path().join(name).display().to_string();
    let (reader, writer) = (place("reader.token"), place("writer.token"));
    std::fs::write(&reader, format!("{READER}\n")).expect("written");
    std::fs::write(&writer, format!("{WRITER}\n")).expect("written");
    let tokens = format!("admin.tokens.read_only.scraper.file = {reader:?}\nadmin.tokens.read_write.ops.file = {writer:?}\n");
    running.rewrite(&tokens);
    let admin = running.admin.clone();
    let with = |variable: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        command.args(arguments).args(["--admin", &admin]).env_remove("LEEWARD_TOKEN");
        command.envs(variable.map(|token| ("LEEWARD_TOKEN", token)));
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        Ran { code: status.code(), out: String::from_utf8(stdout).expect("UTF-8"), err: String::from_utf8(stderr).expect("UTF-8") }
    };
    // Tokens are in force with the reload that brings them.
    let ran = with(None, &["reload", "--reason", "tokens", "--author", "alice"]);
    assert!(ran.code == Some(0) && ran.out.contains("admin.tokens.read_write: {} → { ops = { file = "), "{}{}", ran.out, ran.err);

    for arguments in [&["status"][..], &["status", "--wait", "--timeout", "60"], &["report"], &["maintenance", "status"], &["reload"]] {
        let started = Instant::now();
        let ran = with(None, arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("it asks for a token; name the file that holds one with --token-file"), "{arguments:?}: {}", ran.err);
        assert!(started.elapsed() < Duration::from_secs(20), "a token does not come by waiting");
    }
    assert_eq!(with(None, &["status", "--token-file", &reader]).code, Some(0));
    assert_eq!(with(Some(READER), &["status"]).code, Some(0));
    assert_eq!(with(Some("another-0123456789"), &["status", "--token-file", &reader]).code, Some(0), "what is named wins over the variable");
    let ran = with(Some("another-0123456789"), &["status"]);
    assert!(ran.code == Some(2) && ran.err.contains("none of those that are configured") && !ran.err.contains("another"), "{}", ran.err);
    let on = ["maintenance", "on", "--reason", "upgrade", "--author", "alice", "--yes"];
    let ran = with(Some(READER), &on);
    assert!(ran.code == Some(2) && ran.err.contains("may see everything and change nothing") && ran.err.contains("admin.tokens.read_write"), "{}", ran.err);
    assert_eq!(with(Some(WRITER), &on).code, Some(0));
    let ran = with(None, &["status", "--token-file", "/nowhere/token"]);
    assert!(ran.code == Some(2) && ran.err.contains("--token-file /nowhere/token: it cannot be read"), "{}", ran.err);
    let ran = with(Some("hunter2"), &["status"]);
    assert!(ran.code == Some(2) && ran.err.contains("LEEWARD_TOKEN: the token has 7 bytes") && !ran.err.contains("hunter2"), "{}", ran.err);

    // Every reload is in the audit file: by whom, why, and what changed; a refused one too, and one by signal.
    running.rewrite("limits.write_timeout = \"9s\"\nruntime.workers = 7\n");
    assert_eq!(with(Some(WRITER), &["reload", "--author", "bob"]).code, Some(0));
    running.rewrite("limits.idle_timeout = \"8m\"\n");
    running.signal("HUP");
    let mut log = String::new();
    while !log.contains("limits.idle_timeout") {
        log += &running.lines.recv_timeout(Duration::from_secs(20)).expect("the reload is logged");
    }
    running.rewrite("limits.write_timout = \"9s\"\n");
    assert_eq!(with(Some(WRITER), &["reload", "--author", "bob", "--reason", "typing"]).code, Some(2));
    let ran = with(Some(READER), &["maintenance", "audit", "-o", "json"]);
    let audit: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let told: Vec<_> =
        audit["entries"].as_array().expect("entries").iter().map(|entry| ["who", "what", "why"].map(|key| entry[key].as_str().expect("a text"))).collect();
    assert_eq!(
        told,
        [
            ["alice", "configuration reloaded", "tokens"],
            ["alice (token ops)", "window opened", "upgrade"],
            ["bob (token ops)", "configuration reloaded", "(no reason given)"],
            ["SIGHUP", "configuration reloaded", "(no reason given)"],
            ["bob (token ops)", "reload refused", "typing"],
        ]
    );
    let reloaded = &audit["entries"][2];
    assert_eq!((&reloaded["before"]["limits.write_timeout"], &reloaded["after"]["limits.write_timeout"]), (&"\"1m\"".into(), &"\"9s\"".into()));
    assert!(reloaded["result"] == "done; after a restart: runtime.workers" && audit["entries"][4]["result"].as_str().expect("a text").contains("write_timout"));
    log.extend(running.lines.try_iter());
    log += &std::fs::read_to_string(running.state.path().join("leeward-state/audit.jsonl")).expect("an audit file");
    assert!(!log.contains(READER) && !log.contains(WRITER), "no token is written down");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_cannot_be_written_down_says_so() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    // Where the directory would be made there is a file.
    std::fs::write(running.state.path().join("leeward-state"), "").expect("written");
    running.rewrite("limits.write_timeout = \"9s\"\n");
    let ran = leeward(&["reload", "--admin", &running.admin]);
    assert!(ran.code == Some(0) && ran.out.starts_with("in force now:\n  limits.write_timeout: \"1m\" → \"9s\"\n"), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the audit file has no line of it: it could not be written down: "), "{}", ran.out);
    running.logged("a reload is not in the audit file");
    sandbox.shutdown().await;
}
