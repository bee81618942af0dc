//! The `postrider` binary.

use std::process::ExitCode;

/// SQLite's too. What it keeps at hand is set where it is built: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    postrider::server::process::harden();
    // One TLS provider for the whole process; a second installation (there is none) would keep the
    // first.
    tokio_rustls::rustls::crypto::ring::default_provider().install_default().ok();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(e) => {
                eprintln!("postrider cannot start its threads: {e}");
                return ExitCode::from(postrider::cli::Exit::Bug as u8);
            }
        };
    if let Err(e) =
        postrider::server::watchdog::watch(runtime.handle(), postrider::cli::Exit::Bug as i32)
    {
        eprintln!("postrider cannot start its threads: {e}");
        return ExitCode::from(postrider::cli::Exit::Bug as u8);
    }
    let exit = runtime.block_on(postrider::command());
    // A name lookup that hangs must not hold the exit.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}
