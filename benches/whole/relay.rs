//! A minimal TCP relay, for machines without HAProxy: tokio's copy in both directions on one thread.

use std::io::Write;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

use crate::{Result, process};

const BUFFER_BYTES: usize = 16 * 1024;

/// Listens on a port of 127.0.0.1, prints it in a line, and serves until its standard input ends.
pub(crate) fn serve(to: Option<SocketAddr>) -> Result<()> {
    let to = to.ok_or("the relay needs --relay-to")?;
    process::exit_with_stdin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        loop {
            let (client, _) = listener.accept().await?;
            // A session that fails costs itself alone; the load generator notices.
            tokio::task::spawn_local(async move { session(client, to).await.ok() });
        }
    })
}

async fn session(mut client: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let mut broker = TcpStream::connect(to).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut broker, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}
