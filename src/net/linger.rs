//! Closing without losing what was written: a socket that is closed while unread bytes wait in it resets the connection, and the peer may lose
//! the answer that it has not read yet.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the peer may take to close its side. It has its last bytes long before that.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes that are read and thrown away at most.
const LINGER_BYTES_MAX: usize = 64 << 20;

/// Ends the sending side, then reads until the peer ends its own.
pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let _ = timeout(LINGER, async {
        stream.shutdown().await?;
        let mut waste = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            match stream.read(&mut waste).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        std::io::Result::Ok(())
    })
    .await;
}
