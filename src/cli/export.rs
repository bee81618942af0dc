//! `export`: the manifest, or a file for each message.

use crate::bodies::BodyReader;
use crate::cli::args::{ExportArgs, ExportFormat};
use crate::cli::exit::Exit;
use crate::cli::names::places;
use crate::config::Config;
use crate::store::{ManifestRow, Reader, Which, open_for_reading};
use postrider_core::mail::id::AccountId;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A mirror that is open for reading.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) reader: Reader,
    pub(super) account: AccountId,
}

/// Opens the mirror of an account, or says why not.
pub(super) async fn open(config: Config, account: &str) -> Result<Opened, Exit> {
    let db = open_for_reading(&config.database).await.map_err(|e| {
        eprintln!("{e}");
        Exit::Storage
    })?;
    let reader = Reader::new(&db);
    let accounts = reader.accounts().await.map_err(|e| {
        eprintln!("{e}");
        Exit::Storage
    })?;
    match accounts.iter().find(|a| a.name == account) {
        Some(found) => Ok(Opened { config, reader, account: found.id }),
        None => {
            let names: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).collect();
            eprintln!("there is no account {account} in {}; there is: {}", config.database.display(), names.join(", "));
            Err(Exit::Usage)
        }
    }
}

impl Opened {
    /// Hands every row of the manifest to `each`.
    pub(super) async fn each(
        &self,
        which: Which,
        mut each: impl FnMut(&ManifestRow) -> Result<(), Exit>,
    ) -> Result<(), Exit> {
        let mut after = (String::new(), 0, 0);
        loop {
            let rows = self.reader.manifest(self.account, which, (&after.0, after.1, after.2)).await.map_err(|e| {
                eprintln!("{e}");
                Exit::Storage
            })?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = (last.path.clone(), last.uidvalidity, last.uid);
            for row in &rows {
                each(row)?;
            }
        }
    }
}

/// Runs the command.
pub(super) async fn run(args: ExportArgs) -> Exit {
    let written = async {
        let opened = open(places(&args.mirror)?, &args.account).await?;
        let which = if args.deleted { Which::Deleted } else { Which::Living };
        match (args.format, &args.out) {
            (ExportFormat::Eml, Some(out)) => files(&opened, which, out).await,
            (ExportFormat::Eml, None) => Err(Exit::Usage),
            (ExportFormat::Manifest, None) => manifest(&opened, which).await,
            (ExportFormat::Manifest, Some(_)) => {
                eprintln!("--out is for files: say --format eml with it; the manifest goes to stdout");
                Err(Exit::Usage)
            }
        }
    };
    written.await.err().unwrap_or(Exit::Success)
}

async fn manifest(opened: &Opened, which: Which) -> Result<(), Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut lines = Vec::new();
    opened
        .each(which, |row| {
            let Some(body) = &row.body else {
                eprintln!("{}/{}: its body row is missing; run `postrider verify`", row.path, row.uid);
                return Err(Exit::Storage);
            };
            lines.push(format!("{}\t{}\t{}\n", line_safe(&row.path), body.hash, row.flags));
            if lines.len() > 4096 {
                pour(&mut out, &mut lines)?;
            }
            Ok(())
        })
        .await?;
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

/// A folder's name on one line.
fn line_safe(path: &str) -> String {
    path.replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

async fn files(opened: &Opened, which: Which, out: &Path) -> Result<(), Exit> {
    let mut bodies = BodyReader::new(&opened.config.bodies);
    let mut count = 0_u64;
    opened
        .each(which, |row| {
            count += 1;
            write_file(&mut bodies, row, out).map_err(|text| {
                eprintln!("{}/{}: {text}", row.path, row.uid);
                Exit::Storage
            })
        })
        .await?;
    eprintln!("{count} files in {}", out.display());
    Ok(())
}

fn write_file(bodies: &mut BodyReader, row: &ManifestRow, out: &Path) -> Result<(), String> {
    let body = row.body.ok_or("its body row is missing")?;
    let mut dir = PathBuf::from(out);
    dir.extend(parts(row));
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let path = dir.join(format!("{}.{}.eml", row.uidvalidity, row.uid));
    let half = path.with_extension("part");
    let mut file = File::create(&half).map_err(|e| format!("{}: {e}", half.display()))?;
    bodies.copy(&body, &mut file).map_err(|e| e.to_string())?;
    fs::rename(&half, &path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The folder's path as names that are safe on a disk.
fn parts(row: &ManifestRow) -> Vec<String> {
    match row.delimiter.as_deref().filter(|d| !d.is_empty()) {
        Some(delimiter) => row.path.split(delimiter).map(safe).collect(),
        None => vec![safe(&row.path)],
    }
}

/// A name without what a file system takes amiss: such characters are percent-encoded.
fn safe(name: &str) -> String {
    let mut out = String::new();
    for (n, c) in name.chars().enumerate() {
        let dot = c == '.' && n == 0;
        if dot || c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%') {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    // Most file systems allow 255 octets in a name.
    while out.len() > 200 {
        out.pop();
    }
    if out.is_empty() { "_".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        for (name, want) in
            [("..", "%2E."), ("a/b", "a%2Fb"), ("", "_"), ("日本語", "日本語"), ("x\0", "x%00"), (".ssh", "%2Essh")]
        {
            assert_eq!(safe(name), want);
        }
    }
}
