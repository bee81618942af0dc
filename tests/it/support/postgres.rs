//! A PostgreSQL of one test's own, which may be stopped in the middle: in a folder of its own, on a free port, never
//! as root, ended with its value.

use crate::support::database::TestDatabase;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server.
#[derive(Debug)]
pub(crate) struct OwnServer {
    folder: TempDir,
    port: u16,
    child: Child,
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    let path = std::env::var_os("PATH").unwrap();
    found.extend(std::env::split_paths(&path));
    found.retain(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    found.into_iter().next().unwrap_or_else(|| panic!("`cargo xtask test` installs PostgreSQL"))
}

/// As somebody else than root, which the server refuses to be run by.
fn as_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.args(["--init-groups", "--reuid=postgres", "--regid=postgres"]);
    }
    command
}

fn command(program: &str) -> Command {
    let mut command = as_nobody();
    command.arg(programs().join(program));
    command
}

impl OwnServer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let data = folder.path().join("data");
        let made = command("initdb")
            .args([
                "-U",
                "postrider",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .status()
            .unwrap();
        assert!(made.success(), "initdb");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::begin(&folder, port);
        let server = Self { folder, port, child };
        server.answers();
        server
    }

    fn begin(folder: &TempDir, port: u16) -> Child {
        command("postgres")
            .arg("-D")
            .arg(folder.path().join("data"))
            .arg("-k")
            .arg(folder.path())
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .spawn()
            .unwrap()
    }

    fn answers(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let ready = || {
            let mut asked = Command::new(programs().join("pg_isready"));
            asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            asked.status().unwrap().success()
        };
        while !ready() {
            assert!(Instant::now() < until, "PostgreSQL does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The database that it comes with; to be asked for once.
    pub(crate) fn database(&self) -> TestDatabase {
        TestDatabase::at(format!("postgres://postrider@127.0.0.1:{}/postgres", self.port))
    }

    /// Stops it as a crash would: nobody is waited for, and it is recovered at its start.
    pub(crate) fn crash(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = Self::begin(&self.folder, self.port);
        self.answers();
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-INT", &pid]).status());
        drop(self.child.wait());
    }
}

/// A PgBouncer in front of a server.
#[derive(Debug)]
pub(crate) struct Pooler {
    _folder: TempDir,
    port: u16,
    child: Child,
}

impl Pooler {
    /// In front of the server of this URL.
    pub(crate) fn start(url: &str, mode: &str) -> Self {
        let (_, place) = url.rsplit_once(':').unwrap();
        let target = place.split('/').next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = folder.path().join("pgbouncer.ini");
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={target} user=postrider\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = {mode}\nunix_socket_dir =\n"
        );
        std::fs::write(&file, config).unwrap();
        let found = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];
        let program = found.into_iter().find(|file| std::path::Path::new(file).exists());
        let program = program.unwrap_or_else(|| panic!("`cargo xtask test` installs PgBouncer"));
        let child = as_nobody().arg(program).arg(&file).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "PgBouncer does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { _folder: folder, port, child }
    }

    /// The same database by this way.
    pub(crate) fn url(&self, url: &str) -> String {
        let (before, place) = url.rsplit_once(':').unwrap();
        format!("{before}:{}/{}", self.port, place.split('/').nth(1).unwrap())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
