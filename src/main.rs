use leeward::config::{ConfigSource, Override};
fn main() {
    tracing_subscriber::fmt().with_env_filter(std::env::var("LOG").unwrap_or("info".into())).init();
    let args: Vec<String> = std::env::args().collect();
    let mut overrides = vec![];
    for pair in args[2..].chunks(2) {
        let key = match pair[0].as_str() {
            "--upstream" => "upstream.bootstrap",
            "--listen" => "listen.bootstrap",
            "--admin" => "admin.listen",
            "--workers" => "runtime.workers",
            "--base-port" => "listen.virtual_brokers.base_port",
            _ => panic!(),
        };
        overrides.push(Override { key: key.into(), flag: pair[0].clone(), text: pair[1].clone() });
    }
    let source = ConfigSource { file: None, overrides };
    let config = source.load().map_err(|e| eprintln!("{e}")).unwrap();
    leeward::app::run(config, source, None).unwrap();
}
