//! `export`: the manifest, or a file for each message.

use crate::bodies::BodyReader;
use crate::cli::args::{ExportArgs, ExportFormat};
use crate::cli::exit::Exit;
use crate::cli::names::places;
use crate::cli::out::clean;
use crate::cli::patience::opened;
use crate::config::Config;
use crate::fault;
use crate::store::{
    AccountInfo, Chosen, ManifestFolder, ManifestRow, PackReader, PlaceNow, Reader,
};
use crate::verify::{Mirror, manifest_line};
use postrider_core::failure::Failure;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A mirror that is open for reading.
pub(super) struct OpenMirror {
    pub(super) config: Config,
    pub(super) mirror: Mirror,
}

/// Opens a database, and says whose mirrors are in it.
async fn accounts_of(config: &Config) -> Result<(Reader, Vec<AccountInfo>), Exit> {
    let db = opened(config).await.map_err(|e| {
        eprintln!("{e}");
        Exit::Storage
    })?;
    let reader = Reader::new(&db);
    let accounts = reader.accounts().await.map_err(|e| unreadable(&e))?;
    Ok((reader, accounts))
}

/// Opens the mirrors of all accounts, or says why not.
pub(super) async fn open_all(config: Config) -> Result<(Vec<OpenMirror>, Reader), Exit> {
    let (reader, accounts) = accounts_of(&config).await?;
    let of = |found: &AccountInfo| OpenMirror::of(config.clone(), reader.clone(), found);
    Ok((accounts.iter().map(of).collect(), reader))
}

/// Opens the mirror of an account, or says why not.
pub(super) async fn open(config: Config, account: &str) -> Result<OpenMirror, Exit> {
    let (reader, accounts) = accounts_of(&config).await?;
    match accounts.iter().find(|a| a.name == account) {
        Some(found) => Ok(OpenMirror::of(config, reader, found)),
        None => {
            let names: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).collect();
            eprintln!(
                "there is no account {account} in {}; there is: {}",
                config.database,
                names.join(", ")
            );
            Err(Exit::Usage)
        }
    }
}

impl OpenMirror {
    fn of(config: Config, reader: Reader, found: &AccountInfo) -> Self {
        let (bodies, account, name) = (config.bodies.clone(), found.id, found.name.clone());
        Self { config, mirror: Mirror { reader, bodies, account, name } }
    }

    pub(super) async fn folders(&self, which: Chosen) -> Result<Vec<ManifestFolder>, Exit> {
        self.mirror
            .reader
            .manifest_folders(self.mirror.account, which)
            .await
            .map_err(|e| unreadable(&e))
    }
}

fn unreadable(e: &Failure) -> Exit {
    eprintln!("{e}");
    Exit::Storage
}

/// Runs the command.
pub(super) async fn run(args: ExportArgs) -> Exit {
    let written = async {
        let opened = open(places(&args.mirror)?, &args.account).await?;
        let which = if args.deleted { Chosen::Deleted } else { Chosen::Living };
        match (args.format, &args.out) {
            (ExportFormat::Eml, Some(out)) => files(&opened, which, out).await,
            (ExportFormat::Eml, None) => Err(Exit::Usage),
            (ExportFormat::Manifest, None) => manifest(&opened, which).await,
            (ExportFormat::Manifest, Some(_)) => {
                eprintln!(
                    "--out is for files: say --format eml with it; the manifest goes to stdout"
                );
                Err(Exit::Usage)
            }
        }
    };
    written.await.err().unwrap_or(Exit::Success)
}

async fn manifest(opened: &OpenMirror, which: Chosen) -> Result<(), Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut lines = Vec::new();
    for folder in opened.folders(which).await? {
        let each = |row: &ManifestRow| {
            let Some(line) = manifest_line(&folder.path, row) else {
                eprintln!(
                    "{}/{}: its body row is missing; run `postrider verify`",
                    clean(&folder.path),
                    row.uid
                );
                return Err(Exit::Storage);
            };
            lines.push(line);
            if lines.len() > 4096 {
                pour(&mut out, &mut lines)?;
            }
            Ok(())
        };
        opened.mirror.each(folder.id, which, |e| unreadable(&e), each).await?;
    }
    pour(&mut out, &mut lines)?;
    out.flush().map_err(|e| broken_pipe(&e))
}

fn pour(out: &mut impl Write, lines: &mut Vec<String>) -> Result<(), Exit> {
    lines.drain(..).try_for_each(|line| out.write_all(line.as_bytes())).map_err(|e| broken_pipe(&e))
}

/// A reader that went away is not our failure.
fn broken_pipe(e: &io::Error) -> Exit {
    if e.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Success;
    }
    eprintln!("stdout: {e}");
    Exit::Storage
}

/// Messages of a folder whose bytes are looked for once more.
const AGAIN: usize = 1000;

/// A file for each message, a directory of its own for each folder. A folder that cannot be written
/// is said, and the others go on.
async fn files(opened: &OpenMirror, which: Chosen, out: &Path) -> Result<(), Exit> {
    let mut bodies = BodyReader::new(&opened.config.bodies);
    let (mut taken, mut count, mut left) = (BTreeSet::new(), 0_u64, 0_u64);
    for folder in opened.folders(which).await? {
        let dir = out.join(own_directory(&folder, &mut taken));
        let mut trouble: Option<String> = None;
        let mut again = Vec::new();
        let each = |row: &ManifestRow| {
            fault::hold_back("hold.read");
            match write_file(&mut bodies, row, out, &dir) {
                Ok(()) => count += 1,
                Err(_) if again.len() < AGAIN => again.push(row.clone()),
                Err(text) => {
                    left += 1;
                    trouble.get_or_insert(text);
                }
            }
            Ok(())
        };
        opened.mirror.each(folder.id, which, |e| unreadable(&e), each).await?;
        // A server may have moved their bytes meanwhile.
        for mut row in again {
            if let Some(body) = &mut row.body {
                let place = PackReader::new(&opened.mirror.reader).place(body).await;
                match place.map_err(|e| unreadable(&e))? {
                    PlaceNow::Same => {}
                    PlaceNow::Moved(place) => *body = place,
                    PlaceNow::Gone => continue,
                }
            }
            match write_file(&mut bodies, &row, out, &dir) {
                Ok(()) => count += 1,
                Err(text) => {
                    left += 1;
                    trouble.get_or_insert(text);
                }
            }
        }
        if let Some(text) = trouble {
            eprintln!("{}: {}", clean(&folder.path), clean(&text));
        }
    }
    eprintln!("{count} files in {}", out.display());
    if left > 0 {
        eprintln!("{left} messages could not be written");
        return Err(Exit::Partial);
    }
    Ok(())
}

fn write_file(
    bodies: &mut BodyReader,
    row: &ManifestRow,
    out: &Path,
    dir: &Path,
) -> Result<(), String> {
    let body = row.body.ok_or("a body row is missing")?;
    made(out, dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    // What is no mail is not called one.
    let end = if row.synthetic { "json" } else { "eml" };
    let path = dir.join(format!("{}.{}.{end}", row.uidvalidity, row.uid));
    let half = path.with_extension("part");
    let mut file = created(&half).map_err(|e| format!("{}: {e}", half.display()))?;
    bodies.copy(&body, &mut file).map_err(|e| e.to_string())?;
    fs::rename(&half, &path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A file of our own: what lies in its place is taken away, and a link there is not followed.
fn created(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

/// The folder of a mailbox's files, made if need be: none of its parts below `out` is a link to elsewhere.
fn made(out: &Path, dir: &Path) -> io::Result<()> {
    let mut at = out.to_owned();
    fs::create_dir_all(&at)?;
    for part in dir.strip_prefix(out).into_iter().flat_map(Path::components) {
        at.push(part);
        match fs::create_dir(&at) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        if !fs::symlink_metadata(&at)?.is_dir() {
            return Err(io::Error::other(format!("{} is no folder (a link?)", at.display())));
        }
    }
    Ok(())
}

/// A directory that no other folder of this export has, not even where a disk takes `Foo` and `foo`
/// for one.
fn own_directory(folder: &ManifestFolder, taken: &mut BTreeSet<String>) -> PathBuf {
    let mut names: Vec<String> = match folder.delimiter.as_deref().filter(|d| !d.is_empty()) {
        Some(delimiter) => folder.path.split(delimiter).map(safe).collect(),
        None => vec![safe(&folder.path)],
    };
    let last = names.pop().unwrap_or_default();
    let mut n = 1;
    loop {
        let name = if n == 1 { last.clone() } else { format!("{last} ~{n}") };
        let path: PathBuf = names.iter().map(String::as_str).chain([name.as_str()]).collect();
        if taken.insert(path.to_string_lossy().to_lowercase()) {
            return path;
        }
        n += 1;
    }
}

/// A name without what a file system takes amiss: such characters are percent-encoded.
fn safe(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.chars().enumerate() {
        let dot = c == '.' && n == 0;
        if dot
            || c.is_control()
            || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%')
        {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    // A folder called like a message's file would stand in its way.
    if let Some((stem, end)) = out.rsplit_once('.')
        && matches!(end, "eml" | "json" | "part")
    {
        out = format!("{stem}%2E{end}");
    }
    // Most file systems allow 255 octets in a name; what is cut off still tells names apart.
    if out.len() > 200 {
        let mark: String =
            Sha256::digest(name).iter().take(4).map(|b| format!("{b:02x}")).collect();
        while out.len() > 190 {
            out.pop();
        }
        out.push_str(&format!(" ~{mark}"));
    }
    if out.is_empty() { "%_".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        for (name, want) in [
            ("..", "%2E."),
            ("a/b", "a%2Fb"),
            ("", "%_"),
            ("7.1.eml", "7.1%2Eeml"),
            ("日本語", "日本語"),
            ("x\0", "x%00"),
            (".ssh", "%2Essh"),
        ] {
            assert_eq!(safe(name), want);
        }
        let (a, b) =
            (safe(&format!("{}a", "x".repeat(300))), safe(&format!("{}b", "x".repeat(300))));
        assert!(a != b && a.len() <= 200);
    }

    #[test]
    fn every_folder_has_a_directory_of_its_own() {
        use postrider_core::mail::id::FolderId;
        let mut taken = BTreeSet::new();
        let mut dir = |path: &str| {
            let folder =
                ManifestFolder { id: FolderId(1), path: path.into(), delimiter: Some("/".into()) };
            own_directory(&folder, &mut taken).display().to_string()
        };
        let dirs = ["a", "a", "A", "a//b", "a/_/b", "a/%_/b", "a ~2"].map(&mut dir);
        assert_eq!(dirs, ["a", "a ~2", "A ~3", "a/%_/b", "a/_/b", "a/%25_/b", "a ~2 ~2"]);
    }
}
