//! A PostgreSQL of one test's own, which may be stopped in the middle: in a folder of its own, on a free port, never
//! as root, ended with its value.

use crate::support::database::TestDatabase;
use crate::support::ports::free_port;
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
    how: Vec<&'static str>,
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
    /// One that believes everybody.
    pub(crate) fn start() -> Self {
        let folder = Self::folder();
        Self::make(&folder, &["-A", "trust"]);
        Self::run(folder, &[])
    }

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        folder
    }

    fn make(folder: &TempDir, how: &[&str]) {
        let made = command("initdb")
            .args(["-U", "postrider", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(how)
            .arg("-D")
            .arg(folder.path().join("data"))
            .status()
            .unwrap();
        assert!(made.success(), "initdb");
    }

    fn run(folder: TempDir, how: &[&'static str]) -> Self {
        let port = free_port();
        let child = Self::begin(&folder, port, how);
        let server = Self { folder, port, child, how: how.to_vec() };
        server.answers();
        server
    }

    fn begin(folder: &TempDir, port: u16, how: &[&str]) -> Child {
        command("postgres")
            .arg("-D")
            .arg(folder.path().join("data"))
            .arg("-k")
            .arg(folder.path())
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(how)
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
        TestDatabase::at(self.url())
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postrider@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it as a crash would: nobody is waited for, and it is recovered at its start.
    pub(crate) fn crash(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = Self::begin(&self.folder, self.port, &self.how);
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

impl OwnServer {
    /// One that asks for a password, over TLS alone; its certificate signed itself (`cert.pem`).
    pub(crate) fn start_guarded(password: &str) -> Self {
        let folder = Self::folder();
        let (key, cert) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .args(["-days", "2", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let secret = folder.path().join("password");
        std::fs::write(&secret, password).unwrap();
        let readable = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
        for file in [&key, &cert, &secret] {
            std::fs::set_permissions(file, readable(0o644)).unwrap();
        }
        Self::make(&folder, &["-A", "scram-sha-256", "--pwfile", secret.to_str().unwrap()]);
        let data = folder.path().join("data");
        // It takes only a key that is its own.
        let own = "cat key.pem > data/key.pem && chmod 600 data/key.pem && cat cert.pem > data/cert.pem && \
                   echo 'hostssl all all 127.0.0.1/32 scram-sha-256' > data/pg_hba.conf";
        let copied =
            as_nobody().args(["sh", "-c", own]).current_dir(folder.path()).status().unwrap();
        assert!(copied.success(), "{}", data.display());
        let tls = ["-c", "ssl=on", "-c", "ssl_cert_file=cert.pem", "-c", "ssl_key_file=key.pem"];
        Self::run(folder, &tls)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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
        let port = free_port();
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
