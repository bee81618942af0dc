//! A private Dovecot: in a folder of its own, on free ports, never as root, ended with its value.

use super::ports::free_port;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running Dovecot; every user name is known, the password is `pw`.
#[derive(Debug)]
pub(crate) struct Dovecot {
    dir: TempDir,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    user: Option<&'static str>,
    /// What it is started with.
    traits: Traits,
}

/// What a Dovecot is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    /// The basic constraints of its certificate.
    pub(crate) constraints: &'static str,
    /// SASL mechanisms.
    pub(crate) mechanisms: &'static str,
    /// Where its mail lies: a file each, or in a format that is quicker to look at.
    pub(crate) location: &'static str,
    /// What it says that it can do, where that is less than it can.
    pub(crate) capability: Option<&'static str>,
    /// Whether it offers COMPRESS=DEFLATE.
    pub(crate) compress: bool,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            constraints: "CA:FALSE",
            mechanisms: "plain login",
            location: "maildir:~/Maildir",
            capability: None,
            compress: false,
        }
    }
}

/// The key that access tokens are signed with (HS256).
pub(crate) const KEY: &[u8] = b"a key of the tests, thirty-two octets";

fn program(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin:/sbin:/usr/local/sbin";
    let found = path.split(':').map(|dir| Path::new(dir).join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("there is no {name} here: `cargo xtask test` installs it"))
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Dovecot {
    pub(crate) fn start() -> Self {
        Self::start_with(Traits::default())
    }

    /// One with these traits.
    pub(crate) fn start_with(traits: Traits) -> Self {
        // A port that was free may be taken by the time Dovecot listens there.
        let started = (0..5).find_map(|_| Self::try_to_start(traits));
        started.unwrap_or_else(|| panic!("Dovecot found no free port, five times"))
    }

    fn try_to_start(traits: Traits) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("postrider-dovecot").tempdir().unwrap();
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let user = root.then_some("nobody");
        let mut server = Self { dir, port: free_port(), tls_port: free_port(), user, traits };
        if server.port == server.tls_port {
            server.tls_port = free_port();
        }
        server.prepare();
        // The daemon keeps its outputs open: a pipe would never end.
        let mut start = server.as_user(&program("dovecot"), &["-c", &server.file("dovecot.conf")]);
        let started = start
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if !started.success() {
            let log = fs::read_to_string(server.file("log")).unwrap_or_default();
            assert!(log.contains("Address already in use"), "Dovecot does not start: {log}");
            return None;
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", server.tls_port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "Dovecot does not answer: {}",
                fs::read_to_string(server.file("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// A file of the server: `cert.pem`, `mail/USER`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Gives a folder to whom the server runs as.
    pub(crate) fn own(&self, path: &Path) {
        if let Some(user) = self.user {
            let group =
                String::from_utf8(succeed(Command::new("id").args(["-gn", user])).stdout).unwrap();
            succeed(
                Command::new("chown").args(["-R", &format!("{user}:{}", group.trim())]).arg(path),
            );
        }
    }

    fn as_user(&self, program: &Path, args: &[&str]) -> Command {
        let mut command;
        if let Some(user) = self.user {
            command = Command::new("setpriv");
            let group = succeed(Command::new("id").args(["-gn", user])).stdout;
            let group = String::from_utf8(group).unwrap();
            command
                .args(["--reuid", user, "--regid", group.trim(), "--clear-groups", "--"])
                .arg(program);
        } else {
            command = Command::new(program);
        }
        command.args(args);
        command
    }

    fn prepare(&self) {
        let Traits { constraints, mechanisms, location, capability, compress } = self.traits;
        let plugins = if compress {
            "mail_plugins = zlib\nprotocol imap {\n mail_plugins = zlib imap_zlib\n}\n"
        } else {
            ""
        };
        let capability = capability.map(|words| format!("imap_capability = {words}\n"));
        let capability = capability.unwrap_or_default();
        let me = String::from_utf8(succeed(Command::new("id").arg("-un")).stdout).unwrap();
        let user = self.user.unwrap_or(me.trim());
        let group =
            String::from_utf8(succeed(Command::new("id").args(["-gn", user])).stdout).unwrap();
        let (group, dir) = (group.trim(), self.dir.path().display());
        succeed(
            Command::new("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-days",
                    "30",
                    "-subj",
                    "/CN=localhost",
                ])
                .args([
                    "-addext",
                    &format!("basicConstraints=critical,{constraints}"),
                    "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout",
                    &self.file("key.pem"),
                    "-out",
                    &self.file("cert.pem"),
                ]),
        );
        let (port, tls_port) = (self.port, self.tls_port);
        let config = format!(
            "base_dir = {dir}/run\nstate_dir = {dir}/run\nlog_path = {dir}/log\nprotocols = imap\nlisten = 127.0.0.1\n\
             default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n\
             first_valid_uid = 1\nfirst_valid_gid = 1\nmail_uid = {user}\nmail_gid = {group}\n\
             {plugins}{capability}disable_plaintext_auth = no\nauth_mechanisms = {mechanisms}\nauth_failure_delay = 0\n\
             passdb {{\n driver = static\n mechanisms = plain login scram-sha-256\n args = password=pw\n}}\n\
             passdb {{\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = {dir}/oauth2.conf\n}}\n\
             userdb {{\n driver = static\n args = uid={user} gid={group} home={dir}/mail/%n\n}}\n\
             ssl = yes\nssl_cert = <{dir}/cert.pem\nssl_key = <{dir}/key.pem\nmail_location = {location}\n\
             mail_max_userip_connections = 100\n\
             namespace inbox {{\n inbox = yes\n separator = /\n mailbox Sent {{\n auto = create\n special_use = \\Sent\n }}\n}}\n\
             service anvil {{\n chroot =\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\n\
             service stats {{\n chroot =\n}}\nservice ipc {{\n chroot =\n}}\nservice dns-client {{\n chroot =\n}}\n\
             service imap-login {{\n chroot =\n inet_listener imap {{\n port = {port}\n }}\n inet_listener imaps {{\n port = {tls_port}\n ssl = yes\n }}\n}}\n"
        );
        fs::write(self.file("dovecot.conf"), config).unwrap();
        let oauth = format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={dir}/keys/\nusername_attribute = email\n"
        );
        fs::write(self.file("oauth2.conf"), oauth).unwrap();
        fs::create_dir_all(self.file("keys/default/HS256")).unwrap();
        fs::write(self.file("keys/default/HS256/default"), STANDARD.encode(KEY)).unwrap();
        fs::create_dir(self.file("mail")).unwrap();
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        self.own(self.dir.path());
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let Ok(pid) = fs::read_to_string(self.file("run/master.pid")) else { return };
        drop(Command::new("kill").arg(pid.trim()).status());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Path::new(&format!("/proc/{}", pid.trim())).exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
