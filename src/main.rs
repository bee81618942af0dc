//! The `postrider` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("postrider cannot start its threads: {e}");
            return ExitCode::from(postrider::cli::Exit::Bug as u8);
        }
    };
    let exit = runtime.block_on(postrider::cli::run());
    // A name lookup that hangs must not hold the exit.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}
