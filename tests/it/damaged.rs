//! What is derived is damaged at random, some rows or many at once, and the process ends while it mends them: in the end all
//! of it fits its mail. `DAMAGED_MAILS`, `DAMAGED_TIMES` and `DAMAGED_SEED` make it longer, or another.

use crate::derive::{SOON, config, stop, wait_until_derived};
use crate::shuffled::{LONG, given, mail};
use crate::support::binary::Postrider;
use crate::support::database::{TestDatabase, ask, rows, try_change};
use crate::support::mail::{Mailbox, blocking, seed::Dice, serve};
use crate::support::served::wait_within;

/// `{m}` a message, `{t}` and `{u}` threads, `{c}` a contact, `{k}` a thread's key, `{n}` a number that nothing has.
const DAMAGES: [&str; 50] = [
    "UPDATE derived SET thread = {t} WHERE message = {m}",
    "UPDATE derived SET thread = {t} WHERE message IN (SELECT message FROM derived ORDER BY random() LIMIT 5)",
    "UPDATE derived SET thread = {n} WHERE message = {m}",
    "UPDATE derived SET thread = NULL WHERE message = {m}",
    "UPDATE derived SET thread = {t} WHERE thread = {u}",
    "UPDATE derived SET rank = rank + 3 WHERE message = {m}",
    "UPDATE derived SET received_at = received_at + 1000000 WHERE message = {m}",
    "UPDATE derived SET snippet = 'x', parse = 'lenient' WHERE message = {m}",
    "DELETE FROM derived WHERE message = {m}",
    "DELETE FROM thread WHERE id = {t}",
    "UPDATE thread SET messages = messages + 1 WHERE id = {t}",
    "UPDATE thread SET messages = 0 WHERE id = {t}",
    "UPDATE thread SET rank = 1 WHERE id = {t}",
    "UPDATE thread SET rank = 2305843009213693952 WHERE id = {t}",
    "UPDATE thread SET first_at = 0 WHERE id = {t}",
    "UPDATE thread SET id = {n} WHERE id = {t}",
    "INSERT INTO thread (id, account, messages, rank, first_at) VALUES ({n}, 1, 9, 5, 5)",
    "DELETE FROM thread_key WHERE thread = {t}",
    "DELETE FROM thread_key WHERE key = {k}",
    "UPDATE thread_key SET thread = {t} WHERE key = {k}",
    "UPDATE thread_key SET thread = {t} WHERE thread = {u}",
    "UPDATE thread_key SET thread = {t} WHERE key IN (SELECT key FROM thread_key ORDER BY random() LIMIT 10)",
    "UPDATE thread_key SET thread = {n} WHERE key = {k}",
    "INSERT INTO thread_alias (id, account, thread, moves) VALUES ({m}, 1, {t}, FALSE)",
    "INSERT INTO thread_alias (id, account, thread, moves) VALUES ({m}, 1, {t}, TRUE)",
    "INSERT INTO thread_alias (id, account, thread, moves) VALUES ({t}, 1, {u}, TRUE)",
    "INSERT INTO thread_alias (id, account, thread, moves) VALUES ({n}, 1, {n} + 1, FALSE)",
    "DELETE FROM thread_alias",
    "UPDATE thread_alias SET thread = {t}",
    "UPDATE thread_alias SET moves = TRUE",
    "DELETE FROM contact WHERE id = {c}",
    "UPDATE contact SET from_count = from_count + 1 WHERE id = {c}",
    "UPDATE contact SET rank = 1 WHERE id = {c}",
    "UPDATE contact SET rank = 2305843009213693952 WHERE id = {c}",
    "UPDATE contact SET name = 'x', name_rank = 1 WHERE id = {c}",
    "UPDATE contact SET name = 'x', name_rank = 2305843009213693952 WHERE id = {c}",
    "UPDATE contact SET key = 'zzz@z' WHERE id = {c}",
    "UPDATE contact SET id = {n} WHERE id = {c}",
    "UPDATE contact SET address = 'q@q' WHERE id = {c}",
    "DELETE FROM message_contact WHERE message = {m}",
    "DELETE FROM message_contact WHERE contact = {c}",
    "UPDATE message_contact SET contact = {c} WHERE message = {m}",
    "UPDATE message_contact SET rank = rank + 7 WHERE message = {m}",
    "UPDATE message_contact SET role = 'bcc' WHERE message = {m}",
    "UPDATE message_contact SET name = 'y' WHERE message = {m}",
    "INSERT INTO message_contact (message, role, position, contact, rank) VALUES ({m}, 'cc', 77, {c}, 9)",
    "INSERT INTO message_contact (message, role, position, contact, rank) VALUES ({n}, 'cc', 77, {c}, 9)",
    "DELETE FROM attachment WHERE message = {m}",
    "UPDATE attachment SET size = 1 WHERE message = {m}",
    "UPDATE attachment SET message = {n} WHERE message = {m}",
];

/// Of words, in SQLite's and in PostgreSQL's.
const OF_WORDS: [[&str; 5]; 2] = [
    [
        "DELETE FROM word_row WHERE message = {m}",
        "UPDATE word_row SET message = {n} WHERE message = {m}",
        "DELETE FROM word WHERE rowid = (SELECT id FROM word_row WHERE message = {m})",
        "INSERT INTO word (rowid, account, text) SELECT id, '=1', 'hello' FROM word_row WHERE message = {m}",
        "INSERT INTO word (rowid, account, text) VALUES ({n}, '=1', 'hello')",
    ],
    [
        "DELETE FROM word WHERE message = {m}",
        "UPDATE word SET message = {n} WHERE message = {m}",
        "UPDATE word SET words = '' WHERE message = {m}",
        "UPDATE word SET words = words || 'hello'::tsvector WHERE message = {m}",
        "INSERT INTO word (id, message, words) VALUES ({n}, {n}, 'hello'::tsvector)",
    ],
];

/// Damages so much; what was done. What the tables refuse is not.
fn damage(database: &TestDatabase, most: usize, dice: &mut Dice) -> Vec<String> {
    let (of, key) = match database {
        TestDatabase::File(_) => (0, "x'{}'"),
        TestDatabase::Server(_) => (1, "'\\x{}'::bytea"),
    };
    let mut done = Vec::new();
    for _ in 0..most {
        let all = DAMAGES.len() + OF_WORDS[of].len();
        let drawn = dice.below(all);
        let sql =
            DAMAGES.get(drawn).copied().unwrap_or_else(|| OF_WORDS[of][drawn - DAMAGES.len()]);
        let mut one = |sql: &str| {
            let all = rows(database, sql);
            all.get(dice.below(all.len().max(1))).cloned().unwrap_or_else(|| "1".to_owned())
        };
        let threads = "SELECT id AS x FROM thread";
        let named = [
            ("{m}", one("SELECT id AS x FROM message")),
            ("{t}", one(threads)),
            ("{u}", one(threads)),
            ("{c}", one("SELECT id AS x FROM contact")),
            ("{k}", key.replace("{}", &one("SELECT hex(key) AS x FROM thread_key"))),
            ("{n}", (1_000_000 + dice.below(1 << 30)).to_string()),
        ];
        let sql = named.iter().fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, value));
        if try_change(database, &sql) {
            done.push(sql);
        }
    }
    done
}

/// Whether nothing is left to be looked at.
fn is_looked_at(database: &TestDatabase) -> bool {
    ask(database, "SELECT derive ->> 'looks' AS x FROM account WHERE id = 1").is_empty()
}

/// A look is asked for, and the process ends somewhere in it, or before; whether it was taken on, and whether it ended.
fn killed(postrider: &Postrider, fault: &str) -> (bool, bool) {
    let mut running = postrider.start(&["serve"], &[("POSTRIDER_FAULT", fault)]);
    let (mut is_taken, mut is_over) = (false, false);
    wait_within(LONG, "a kill, or the end", || {
        is_taken |= !is_taken && postrider.run(&["reindex", "u"]).code == Some(0);
        is_over = running.child.try_wait().unwrap().is_some();
        is_over || is_taken && is_looked_at(&postrider.database())
    });
    if !is_over {
        running.signal("TERM");
    }
    running.wait(SOON);
    (is_taken, is_over)
}

/// A round: damage, a look, and in every second one an end in the middle of it, behind which the look goes on.
fn mended(postrider: &Postrider, is_to_end: bool, dice: &mut Dice) -> [bool; 2] {
    let database = postrider.database();
    let done = damage(&database, [1, 2, 3, 5, 8, 20, 60][dice.below(7)], dice);
    let is_seen = postrider.run(&["verify", "u", "--offline"]).code == Some(1);
    let point = ["derive.reading", "derive.written", "derive.kept"][dice.below(3)];
    let (is_taken, is_over) = match is_to_end {
        true => killed(postrider, &format!("{point}:{}", 1 + dice.below(9))),
        false => (false, false),
    };
    let served = postrider.serve(&[]);
    if !is_taken {
        postrider.run(&["reindex", "u"]).exits(0);
    }
    wait_within(LONG, "the looks", || is_looked_at(&database));
    wait_until_derived(&served, &database);
    let left = served.account("u")["derived"]["left_out"].to_string();
    stop(served);
    let told = postrider.run(&["verify", "u", "--offline"]);
    let is_well = told.code == Some(0) && left == "[]";
    assert!(is_well, "{done:#?}\n{left}\n{}\n{}", told.stdout, told.stderr);
    [is_seen, is_taken && is_over]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_damaged_is_mended() {
    let (of, times) = (given("DAMAGED_MAILS", 90), given("DAMAGED_TIMES", 8));
    let mut dice = Dice::new(given("DAMAGED_SEED", 11) as u64);
    let u = Mailbox::new();
    for n in 0..of {
        u.append("INBOX", mail(n, of, &mut dice));
    }
    let server = serve(&[("u", &u)], |_, _| None).await;
    let postrider = Postrider::new(&config(server.port(), &["u"]));
    blocking(move || {
        postrider.sync().exits(0);
        let served = postrider.serve(&[]);
        wait_until_derived(&served, &postrider.database());
        stop(served);
        let rounds: Vec<_> =
            (0..times).map(|n| mended(&postrider, n % 2 == 1, &mut dice)).collect();
        let [seen, killed] = [0, 1].map(|of| rounds.iter().filter(|round| round[of]).count());
        // A change may change nothing.
        assert!(seen > times / 2, "{seen} of {times} were seen");
        assert!(killed > times / 8, "{killed} of {times} ended in the middle");
    })
    .await;
}
