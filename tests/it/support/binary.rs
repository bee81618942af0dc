//! Runs the `postrider` that was built for the tests, in a folder of its own.

use crate::support::database::{KIND, SERVER, TestDatabase};
use crate::support::fits;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Highest resident set, KiB, as far as it was seen.
    pub(crate) peak_kib: u64,
}

impl Ran {
    /// Demands an exit code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        let twice = self.stderr.lines().find(|line| line.matches("account.id=").count() > 1);
        assert_eq!(twice, None, "a line of the log says twice whose it is");
        self
    }
}

/// A folder with a config, and the binary to run on it.
#[derive(Debug)]
pub(crate) struct Postrider {
    dir: TempDir,
    database: TestDatabase,
}

impl Drop for Postrider {
    fn drop(&mut self) {
        // Benches make events by the hundred thousand.
        let is_test = std::env::var_os("NEXTEST").is_some();
        if is_test && !std::thread::panicking() && self.database.exists() {
            fits::all(&self.database);
        }
        self.database.remove();
    }
}

/// A config line block for an account on a plain port of this machine.
pub(crate) fn account(id: &str, port: u16, password: &str) -> String {
    format!(
        "[[account]]\nid = \"{id}\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"{id}\"\npassword = \"{password}\"\n"
    )
}

/// What the names of fault points begin with at which no page is on its way to be durable.
pub(crate) const OTHER_FAULTS: [&str; 14] = [
    "panic.",
    "hang.",
    "hold.",
    "lose.",
    "slow.",
    "derive.",
    "credential.",
    "job.",
    "deliver.",
    "watch.",
    "subscription.",
    "inbound.",
    "repair.",
    "collect.",
];

/// Short waits, so that tests of recovery end soon.
pub(crate) const SHORT: &str = "[recovery]\nfirst_wait = \"20ms\"\n[timeouts]\nconnect = \"2s\"\ngreeting = \"2s\"\nlogin = \"2s\"\nsilence = \"500ms\"\ncommand = \"5s\"\n\
     [sync]\nconfirm_after = \"1ms\"\n[limits]\nlogins_per_second = 1000\n";

impl Postrider {
    pub(crate) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = TestDatabase::File(dir.path().join("data/postrider.db"));
        let database = TestDatabase::of_server().unwrap_or(file);
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir, database }
    }

    /// One whose database is PostgreSQL's, whatever others have.
    pub(crate) fn on_server(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir, database: TestDatabase::on_server() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> TestDatabase {
        self.database.clone()
    }

    /// Runs a shell command in the folder; `$0` is the binary.
    pub(crate) fn shell(&self, script: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_postrider")]);
        self.spawn(command, &[]).wait(Duration::from_secs(120))
    }

    /// Starts the binary in the folder. A dropped child is not left behind: see [`Running`].
    pub(crate) fn start(&self, args: &[&str], env: &[(&str, &str)]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(args);
        self.spawn(command, env)
    }

    fn spawn(&self, mut command: Command, env: &[(&str, &str)]) -> Running {
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        // What is meant for tests is no setting.
        for own in [KIND, SERVER, "POSTRIDER_FAULT", "POSTRIDER_FAULT_MAIL", "POSTRIDER_TEST_SEED"]
        {
            command.env_remove(own);
        }
        command.env("POSTRIDER_CHECK_GUARDS", "1").envs(self.database.variable());
        command.envs(env.iter().copied());
        // Each process has files of its own: a client must not cut off what the server says.
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let n = STARTED.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (self.path(&format!("stdout.{n}")), self.path(&format!("stderr.{n}")));
        command
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(&err).unwrap());
        Running { child: command.spawn().unwrap(), out, err, peak_kib: 0 }
    }

    /// Runs the binary to its end, two minutes at most.
    pub(crate) fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ran {
        self.start(args, env).wait(Duration::from_secs(120))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    pub(crate) fn sync(&self) -> Ran {
        self.run(&["sync", "--once"])
    }

    pub(crate) fn manifest(&self, account: &str) -> Vec<String> {
        let ran = self.run(&["export", account]).exits(0);
        let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// A process of the binary; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    out: PathBuf,
    err: PathBuf,
    peak_kib: u64,
}

impl Running {
    /// What it has taken at most, without the pages of its own file: those of a build for tests are many.
    fn look(&mut self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        // The peak that nobody has seen, and what is seen: the first may hold pages that came behind it.
        let unseen = kib("VmHWM:").saturating_sub(kib("RssFile:"));
        self.peak_kib = self.peak_kib.max(unseen).max(kib("RssAnon:"));
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }

    /// What it has written to stdout so far.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self, limit: Duration) -> Ran {
        let deadline = Instant::now() + limit;
        let code = loop {
            self.look();
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if Instant::now() > deadline => {
                    panic!("postrider did not end within {limit:?}\n{}", self.stderr());
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let read =
            |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        Ran { code, stdout: read(&self.out), stderr: read(&self.err), peak_kib: self.peak_kib }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
