//! Jobs at fixed times.

use crate::jobs::{begun, idle, jobs, wait_for};
use crate::support::binary::{Postrider, account};
use crate::support::database::ask;
use crate::support::mail::blocking;
use crate::support::served::{Served, head, wait_until};
use serde_json::Value;

/// Jobs at fixed times: once, with whatever is missed made up for or let go; an edit counts at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_asks_at_its_times() {
    let (server, _, postrider) = begun().await;
    let config = postrider.path("config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let scheduled = move |more: &str| {
        let of = |id: &str, more: &str| {
            format!(
                "[[schedule]]\nid = \"{id}\"\ncron = \"0 3 * * *\"\nzone = \"Europe/Berlin\"\n{more}"
            )
        };
        let all = of("all", "job = \"incremental\"\nall = true\n");
        let late =
            of("late", "job = \"full\"\naccounts = [\"a\"]\ncatch_up = true\npriority = 3\n");
        std::fs::write(&config, format!("{text}{all}{late}{more}")).unwrap();
    };
    scheduled("");
    blocking(move || {
        let clock = postrider.path("clock");
        let day = |days: u64| std::fs::write(&clock, (days * 86_400).to_string()).unwrap();
        day(0);
        let env = [("POSTRIDER_CLOCK", clock.to_str().unwrap())];
        let by = |served: &Served, id: &str| {
            let all = jobs(served, "");
            let of = all.into_iter().filter(|job| job["by"] == format!("schedule {id}"));
            of.collect::<Vec<_>>()
        };
        let served = postrider.serve(&env);
        idle(&served);
        wait_until("they are known", || ask(&postrider.database(), "SELECT count(*) AS x FROM schedule") == "2");
        assert_eq!(jobs(&served, ""), Vec::<Value>::new(), "nothing is made up for that never was");
        // A day passes at once: whatever time it is, three o'clock was between.
        day(1);
        wait_until("the one that makes up for it", || by(&served, "late").len() == 1);
        let late = wait_for(&served, by(&served, "late")[0]["id"].as_u64().unwrap(), "done");
        assert_eq!((&late["kind"], &late["account"], &late["priority"]), (&"full".into(), &"a".into(), &3.into()));
        served.stop();
        let let_go = by(&postrider.serve(&env), "all").len();
        // Within the five minutes that a time is kept, this one was: then it is there once.
        assert!(let_go == 0 || let_go == 2, "{let_go}");
        // While no server runs.
        day(3);
        let served = postrider.serve(&env);
        wait_until("one for both", || by(&served, "late").len() == 2);
        idle(&served);
        // Five minutes later there is nothing more.
        std::fs::write(&clock, (3 * 86_400 + 300).to_string()).unwrap();
        scheduled("[[schedule]]\nid = \"often\"\ncron = \"* * * * *\"\njob = \"maintenance\"\ntask = \"purge\"\n");
        wait_until("it is known", || ask(&postrider.database(), "SELECT count(*) AS x FROM schedule") == "3");
        std::fs::write(&clock, (3 * 86_400 + 420).to_string()).unwrap();
        wait_until("it has come", || by(&served, "often").iter().any(|job| job["status"] == "done"));
        drop(server);
        served.stop();
    })
    .await;
}

/// What is wrong with a schedule is told by line and key, and nothing is begun.
#[test]
fn a_schedule_that_cannot_be_is_refused() {
    let accounts = account("a", 1, "pw") + "owner = \"ada\"\n";
    let flaws = |lines: &str| {
        let config = format!("{}{accounts}[[schedule]]\n{lines}", head());
        let ran = Postrider::new(&config).run(&["check", "--offline"]).exits(2);
        ran.stdout + &ran.stderr
    };
    let good = "id = \"x\"\ncron = \"0 3 * * *\"\njob = \"full\"\nall = true\n";
    for (lines, words) in [
        ("", &["id: it is needed", "cron: it is needed", "job: it is needed"][..]),
        (&good.replace("0 3 * * *", "61 3 * * *"), &["cron: ", "61 3 * * *", "30 3 * * *"]),
        (
            &good.replace("0 3 * * *", "0 0 3 * * *"),
            &["cron: ", "minute, hour, day, month and weekday"],
        ),
        (&good.replace("0 3 * * *", "0 0 30 2 *"), &["cron: ", "never comes"]),
        (&good.replace("\"full\"", "\"whole\""), &["job: ", "\"incremental\""]),
        (&format!("{good}zone = \"Berlin\"\n"), &["zone: ", "Europe/Berlin"]),
        (&format!("{good}owner = \"ada\"\n"), &["owner: write one of accounts, owner and all"]),
        (
            &good.replace("all = true", "owner = \"bob\""),
            &["owner: no account has the owner \"bob\""],
        ),
        (
            &good.replace("all = true", "accounts = [\"b\"]"),
            &["accounts: there is no account \"b\""],
        ),
        (&good.replace("all = true\n", ""), &["accounts: write for which"]),
        (&format!("{good}task = \"purge\"\n"), &["task: only maintenance has one"]),
        (&format!("{good}every = \"1h\"\n"), &["every: there is no such key"]),
        (&format!("{good}[[schedule]]\n{good}"), &["id: another schedule is called \"x\" already"]),
        (&good.replace("\"x\"", "\"x y\""), &["id: \"x y\" will not do"]),
    ] {
        let told = flaws(lines);
        for word in words {
            assert!(told.contains(word), "{lines}: {word} is not in {told}");
        }
    }
}
