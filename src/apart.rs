//! Work that is to cost those nothing that mirror: what strangers send, and what is handed on. It has a thread of its own,
//! which the system runs behind the others: two workers that hash what a flood sends poll no session meanwhile.

use postrider_core::failure::Failure;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::JoinHandle;

/// How much nicer it is than the rest of the process: with less to do than its share it waits for nobody.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

/// A thread of its own. What runs on it ends with this, or where it waits next.
#[derive(Debug)]
pub(crate) struct Apart {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Apart {
    /// Starts one.
    ///
    /// # Errors
    /// Class storage, where the system gives no more threads or descriptors.
    pub(crate) fn start(name: &str) -> Result<Self, Failure> {
        let nice = nicer();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            // Each, and once: what it has others do is asked of threads that it starts.
            .on_thread_start(move || be_nice(nice))
            .enable_all()
            .build();
        let failed = |e| Failure::storage(format!("no thread for {name} can be had")).caused_by(e);
        let runtime = runtime.map_err(failed)?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a task there.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle.spawn(task)
    }

    /// Has something done that blocks, on another thread that is as nice.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn_blocking(work)
    }

    /// Whoever asks for a socket or a clock meanwhile gets one of this thread's.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // Wherever this is dropped, nobody waits there.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// How nice a thread is that is nicer than this one.
#[cfg(target_os = "linux")]
fn nicer() -> Option<i32> {
    let now = rustix::process::getpriority_process(None).ok()?;
    Some((now + NICER).min(NICEST))
}

/// The system gives this thread its share behind the others'.
#[cfg(target_os = "linux")]
fn be_nice(nice: Option<i32>) {
    let Some(nice) = nice else { return };
    // Of the calling thread alone, as Linux has it (setpriority(2), "C library/kernel differences").
    if let Err(e) = rustix::process::setpriority_process(None, nice) {
        tracing::debug!("a thread is as the others: {e}");
    }
}

#[cfg(not(target_os = "linux"))]
fn nicer() -> Option<i32> {
    None
}

#[cfg(not(target_os = "linux"))]
fn be_nice(_: Option<i32>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    #[expect(clippy::disallowed_methods, reason = "the test sees its end")]
    fn it_runs_behind_the_others() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let (apart, before) = (Apart::start("apart").unwrap(), nice());
        let (told, tell) = std::sync::mpsc::channel();
        let is_nice = move || assert!(told.send(nice()).is_ok());
        let beside = is_nice.clone();
        let task = apart.spawn(async move {
            is_nice();
            // What it has others do is as nice.
            drop(tokio::task::spawn_blocking(beside).await);
        });
        let wanted = (before + NICER).min(NICEST);
        let within = std::time::Duration::from_secs(10);
        assert_eq!(tell.recv_timeout(within), Ok(wanted));
        assert_eq!(tell.recv_timeout(within), Ok(wanted));
        assert_eq!(nice(), before, "nobody else is");
        drop((task, apart));
    }

    /// It ends wherever it is dropped, and takes its tasks along.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test sees its end")]
    async fn its_tasks_end_with_it() {
        let apart = Apart::start("apart").unwrap();
        let task = apart.spawn(std::future::pending());
        drop(apart);
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
