//! What the tables are, for who reads them: each column has its sentence, and each recipe is tried.

use crate::derive::{stop, wait_until_derived};
use crate::support::binary::{Postrider, account};
use crate::support::database::rows;
use crate::support::mail::{Mail, Mailbox, blocking, serve};
use crate::support::served::{head, wait_until};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Where what is written by hand ends.
const TABLES: &str = "## Tables\n";

/// What the entities say of their tables, as a paper: those that no entity is for are told here.
fn tables() -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("entity/src"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| !file.ends_with("lib.rs"))
        .collect();
    files.sort();
    let mut paper = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        let about: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//! ")).collect();
        let _ = write!(
            paper,
            "\n### {name}\n\n{}\n\n| column | what it is |\n|---|---|\n",
            about.join(" ")
        );
        let mut said: Vec<&str> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(sentence) = line.strip_prefix("/// ") {
                said.push(sentence);
            } else if let Some(field) = line.strip_prefix("pub ").filter(|line| line.ends_with(','))
            {
                let column = field.split(':').next().unwrap().trim_start_matches("r#");
                assert!(!said.is_empty(), "{name}.{column} has no sentence");
                let _ = writeln!(paper, "| `{column}` | {} |", said.join(" "));
                said.clear();
            } else if !line.starts_with('#') {
                said.clear();
            }
        }
    }
    paper.push_str(
        "\n### word\n\nThe words of messages, an index for `q` and `postrider search`. SQLite: an FTS5 table without its text, \
         by fields; `word_row` says which message a row is of (`id`, `message`), `word_term` and `word_place` show what stands in it, and \
         `word_config`, `word_data`, `word_docsize`, `word_idx` are FTS5's own. PostgreSQL: `id`, `message`, `words` (a tsvector).\n",
    );
    paper.push_str("\n### seaql_migrations\n\nThe steps of the schema that were made: `version`, `applied_at`.\n");
    paper
}

/// The paper says what the entities say. `WRITE_INTERFACE=1` writes it.
#[test]
fn every_column_has_its_sentence() {
    let file = root().join("docs/schema.md");
    let paper = fs::read_to_string(&file).unwrap();
    let (by_hand, of_tables) = paper.split_once(TABLES).unwrap();
    let tables = tables();
    if std::env::var_os("WRITE_INTERFACE").is_some() {
        fs::write(&file, format!("{by_hand}{TABLES}{tables}")).unwrap();
    } else {
        assert!(
            of_tables == tables,
            "docs/schema.md: WRITE_INTERFACE=1 cargo test --features faults --test it schema"
        );
    }
    // What the views have is what is said of them.
    let said = by_hand.split("## Recipes").next().unwrap();
    for column in
        ["written_at", "sha256", "snippet", "outgoing", "folder_id", "starred", "keywords"]
    {
        assert!(said.contains(&format!("`{column}`")), "{column}");
    }
}

/// The recipes of the paper, in their order.
fn recipes() -> Vec<String> {
    let paper = fs::read_to_string(root().join("docs/schema.md")).unwrap();
    let blocks = paper.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().trim().to_owned()).collect()
}

fn mail(from: &str, id: &str, answers: &str, date: &str) -> Mail {
    let answers = match answers {
        "" => String::new(),
        id => format!("In-Reply-To: <{id}@x.example>\r\n"),
    };
    Mail::new(format!(
        "From: {from}\r\nTo: me@example.org\r\nSubject: of {id}\r\nMessage-ID: <{id}@x.example>\r\n{answers}\
         Date: Thu, 1 Feb 2024 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
         Content-Type: text/csv; name=\"{id}.csv\"\r\n\r\n1,2\r\n--b--\r\n"
    ))
    .dated(&format!("{date} 10:00:00 +0000"))
}

/// Each recipe answers what it promises, in either database.
#[tokio::test(flavor = "multi_thread")]
async fn recipes_answer() {
    let u = Mailbox::new();
    u.create("Archive", "");
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&format!("{}{}", head(), account("u", server.port(), "pw")));
    blocking(move || {
        let ada = "Ada <ada@example.org>";
        u.append("INBOX", mail(ada, "first", "", "01-Feb-2024"));
        u.append("INBOX", mail("bob@example.org", "reply", "first", "02-Feb-2024").flagged(&["\\Seen"]));
        u.append("Archive", mail(ada, "third", "reply", "03-Feb-2024"));
        u.append("INBOX", mail("eve@example.org", "gone", "", "04-Feb-2024"));
        let served = postrider.serve(&[]);
        served.settle(&postrider, "u", &u);
        assert!(u.expunge("INBOX", 3).is_some());
        served.settle(&postrider, "u", &u);
        let database = postrider.database();
        wait_until_derived(&served, &database);
        wait_until("what is gone is told to be", || {
            rows(&database, "SELECT deleted_at AS x FROM mail WHERE deleted_at IS NOT NULL").len() == 1
        });
        // A line of each row, as the paper has its columns.
        let told = |recipe: &str, columns: &str| {
            rows(&database, &format!("SELECT {columns} AS x FROM ({recipe}) AS r"))
        };
        let recipes = recipes();
        let want: [(&str, &[&str]); 8] = [
            ("received_at || ' ' || subject", &["2024-02-03T10:00:00Z of third"]),
            ("account || ' ' || folder || ' ' || unread", &["u Archive 1", "u INBOX 1"]),
            ("account || ' ' || path || ' ' || COALESCE(role, '-') || ' ' || messages", &["u Archive - 1", "u INBOX inbox 2"]),
            ("account || ' ' || subject", &["u of gone"]),
            ("CASE WHEN length > 200 AND \"offset\" >= 0 AND pack > 0 THEN 'there' END", &["there"]),
            ("received_at || ' ' || subject", &[
                "2024-02-01T10:00:00Z of first",
                "2024-02-02T10:00:00Z of reply",
                "2024-02-03T10:00:00Z of third",
            ]),
            ("received_at || ' ' || name || ' ' || size", &[
                "2024-02-03T10:00:00Z third.csv 3",
                "2024-02-01T10:00:00Z first.csv 3",
            ]),
            ("address || ' ' || COALESCE(name, '-') || ' ' || from_count", &[
                "ada@example.org Ada 2",
                "bob@example.org - 1",
                "eve@example.org - 1",
            ]),
        ];
        assert_eq!(recipes.len(), want.len());
        for (recipe, (columns, lines)) in recipes.iter().zip(want) {
            assert_eq!(told(recipe, columns), lines, "{recipe}");
        }
        // Both views, whole, and as the API has them.
        let now = rows(
            &database,
            "SELECT account || ' ' || folder || ' ' || uid || ' ' || subject || ' ' || \"from\" || ' ' || received_at || ' ' || unread || \
             ' ' || starred AS x FROM mail_now ORDER BY received_at",
        );
        assert_eq!(now, [
            "u INBOX 1 of first Ada <ada@example.org> 2024-02-01T10:00:00Z 1 0",
            "u INBOX 2 of reply bob@example.org 2024-02-02T10:00:00Z 0 0",
            "u Archive 1 of third Ada <ada@example.org> 2024-02-03T10:00:00Z 1 0",
        ]);
        for line in rows(&database, "SELECT id || ' ' || sha256 || ' ' || thread || ' ' || attachments AS x FROM mail") {
            let (id, rest) = line.split_once(' ').unwrap();
            let view = served.get(&format!("/v1/messages/{id}"));
            let want = format!("{} {} 1", view["sha256"].as_str().unwrap(), view["thread_id"]);
            assert_eq!(rest, want);
        }
        stop(served);
    })
    .await;
}
