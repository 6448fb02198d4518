//! When a program that runs until it is told to stop is told to stop.

use anyhow::Context;
use std::io::Read;
use tokio::sync::oneshot;

/// Waits for SIGINT (Ctrl-C), SIGTERM, or, `with_parent`, for the end of standard input, which comes when the process that
/// started this one is gone.
///
/// # Errors
/// The operating system gives no signals.
pub async fn requested(with_parent: bool) -> anyhow::Result<&'static str> {
    let parent = async {
        if !with_parent {
            return std::future::pending().await;
        }
        let (gone, wait) = oneshot::channel();
        // A thread of its own: it may be blocked in the read when the program ends, which nobody has to wait for.
        std::thread::spawn(move || {
            let mut bytes = [0; 256];
            while matches!(std::io::stdin().read(&mut bytes), Ok(1..)) {}
            let _ = gone.send(());
        });
        let _ = wait.await;
    };
    #[cfg(unix)]
    let terminated = async {
        let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .context("cannot wait for SIGTERM")?;
        signal.recv().await;
        anyhow::Ok(())
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<anyhow::Result<()>>();
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl-C").map(|()| "interrupted"),
        terminated = terminated => terminated.map(|()| "terminated"),
        () = parent => Ok("the parent process is gone"),
    }
}
