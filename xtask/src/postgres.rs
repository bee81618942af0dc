//! PostgreSQL, the other database of the tests: found, or installed from the system's packages; one private
//! server for a run, in a folder of its own, on a free port, never as root.

#![expect(clippy::disallowed_methods, reason = "a server of the tests is waited for")]

use crate::{packages, run};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What its folder is called, and the process that has made it.
const FOLDER: &str = "postrider-postgres-";
/// Memory that a server for tests may lie in.
const ROOM_KIB: u64 = 4 << 20;
/// Where tests look for its URL.
pub(crate) const VARIABLE: &str = "POSTRIDER_TEST_POSTGRES";

/// Who runs it where we are root: the server refuses to be.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Connections of all tests that run at a time.
const CONNECTIONS: &str = "200";

/// Longest wait until it answers.
const START: Duration = Duration::from_secs(30);

/// Where its programs are: in none of the usual folders, with Debian and its kin.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    })
}

/// Makes sure that it is here; says what to do when it cannot be.
pub(crate) fn ensure() -> bool {
    let is_there = || programs().is_some() && packages::is_here("pgbouncer");
    if is_there() {
        return true;
    }
    let packages = ["postgresql", "pgbouncer"];
    if !(packages::can_install() && packages::install(&packages) && is_there()) {
        eprintln!(
            "the tests need PostgreSQL 14 or newer (initdb, postgres) and PgBouncer; please install them with your system's packages"
        );
        return false;
    }
    true
}

/// A server; stopped and gone when dropped.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    /// Where it is: a database's name is to follow.
    pub(crate) url: String,
}

/// A command that runs as somebody else than root, and ends with whoever has started it.
fn as_nobody(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if is_root {
        let is_here = |user: &&&str| {
            Command::new("id").arg(user).output().is_ok_and(|told| told.status.success())
        };
        if let Some(user) = USERS.iter().find(is_here) {
            command.args(["--init-groups", &format!("--reuid={user}")]);
            command.arg(format!("--regid={user}").replace("=nobody", "=nogroup"));
        }
    }
    command.arg(program);
    command
}

/// Where a server for tests lies: in memory, where there is enough of it. Each test has a database made, and each commit
/// is synced.
pub(crate) fn quick() -> PathBuf {
    let memory = Path::new("/dev/shm");
    clear(memory);
    let told = Command::new("df").args(["-k", "--output=avail"]).arg(memory).output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
    let free = told.ok().and_then(|told| told.lines().nth(1)?.trim().parse::<u64>().ok());
    match free {
        Some(kib) if kib >= ROOM_KIB => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}

/// Takes away what a run left there that was killed.
fn clear(memory: &Path) {
    for entry in std::fs::read_dir(memory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        let is_over = process.is_some_and(|process| !Path::new("/proc").join(process).exists());
        if is_over && let Err(e) = std::fs::remove_dir_all(entry.path()) {
            eprintln!("{}: {e}", entry.path().display());
        }
    }
}

impl Server {
    /// Starts one below a folder. Its order of texts is not that of their octets, as a user's may be.
    pub(crate) fn start(below: &Path) -> Option<Self> {
        let programs = programs()?;
        let folder = below.join(format!("{FOLDER}{}", std::process::id()));
        std::fs::create_dir_all(&folder).ok()?;
        // Whoever runs it makes its own folder in there.
        run(Command::new("chmod").arg("1777").arg(&folder));
        let data = folder.join("data");
        let made = run(as_nobody(&programs.join("initdb"))
            .args([
                "-U",
                "postrider",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-instructions",
                "--no-sync",
            ])
            .args(["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "-D"])
            .arg(&data)
            .stdout(Stdio::null()));
        if !made {
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let log = std::fs::File::create(folder.join("log")).ok()?;
        let child = as_nobody(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-N", CONNECTIONS])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .ok()?;
        let url = format!("postgres://postrider@127.0.0.1:{port}");
        let mut server = Self { child, folder, url };
        server.answers(&programs, port).then_some(server)
    }

    fn answers(&mut self, programs: &Path, port: u16) -> bool {
        let until = Instant::now() + START;
        let is_ready = || {
            Command::new(programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
        };
        while Instant::now() < until {
            if is_ready() {
                return true;
            }
            if let Ok(Some(_)) = self.child.try_wait() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        eprintln!("PostgreSQL does not start:\n{log}");
        false
    }
}

/// Starts one for whoever runs tests by hand, and stays.
pub(crate) fn stay() -> bool {
    let Some(mut server) = Server::start(&quick()) else { return false };
    println!("export {VARIABLE}={}", server.url);
    println!("export POSTRIDER_TEST_STORE=postgres   # for the tests that run on either");
    // Ctrl-C reaches it, too.
    server.child.wait().is_ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
        drop(self.child.wait());
        if let Err(e) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} is left: {e}", self.folder.display());
        }
    }
}
