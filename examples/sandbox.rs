//! A sandbox cluster to try clients on by hand: prints its bootstrap addresses, then takes commands, one a line:
//! `stop N`, `kill N`, `pause N`, `resume N`, `start N`, `add`, `state`; it ends with its input.
#![expect(clippy::print_stdout, reason = "it talks to a person")]

use leeward::sandbox::{Sandbox, SandboxConfig, SandboxError};

#[tokio::main]
async fn main() -> Result<(), SandboxError> {
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    println!("{}", sandbox.bootstrap());
    loop {
        let read = tokio::task::spawn_blocking(|| std::io::stdin().lines().next().and_then(Result::ok)).await;
        let Ok(Some(line)) = read else {
            sandbox.shutdown().await;
            return Ok(());
        };
        let (verb, node) = line.split_once(' ').unwrap_or((&line, ""));
        let node = node.trim().parse().unwrap_or(-1);
        let done = match verb {
            "stop" => sandbox.stop(node).await,
            "kill" => sandbox.kill(node),
            "pause" => sandbox.pause(node),
            "resume" => sandbox.resume(node),
            "start" => sandbox.start_broker(node).await,
            "add" => sandbox.add_broker().await.map(|node| println!("broker {node}")),
            "state" => {
                println!("{:#?}", sandbox.state());
                Ok(())
            }
            _ => {
                println!("stop N, kill N, pause N, resume N, start N, add, state");
                Ok(())
            }
        };
        match done {
            Ok(()) => println!("done"),
            Err(error) => println!("{error}"),
        }
    }
}
