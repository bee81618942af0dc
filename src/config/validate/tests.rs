//! What a config may say, and what is refused.

use super::*;
use postrider_core::provider::server::Security;

fn check(text: &str) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let strip = |p: &Flaw| p.to_string().replace(&format!("{}/", dir.path().display()), "");
    load(&file, std::iter::empty()).map_err(|problems| problems.iter().map(strip).collect())
}

const GOOD: &str =
    "[[account]]\nid = \"a\"\nhost = \"h\"\nusername = \"u\"\npassword_env = \"P\"\n";

#[test]
fn the_least_is_enough() {
    let config = check(GOOD).unwrap();
    let account = &config.accounts[0];
    assert_eq!((account.port, account.security), (993, Security::Implicit));
    assert!(
        config.database.to_string().ends_with("data/postrider.db")
            && config.bodies.ends_with("data/bodies")
    );
}

#[test]
fn every_problem_at_once_with_its_line() {
    let text = "data_dri = \"x\"\n[sync]\nmode = \"fast\"\nconfirm_after = 60\n[limits]\nlogins_per_second = 0\n\
                [admin]\nlisten = \"0.0.0.0:1\"\n[[account]]\nid = \"a\"\nport = 70000\ntls = \"none\"\nhost = \"h\"\n";
    let problems = check(text).unwrap_err();
    let want = [
        "config.toml:1: data_dri: there is no such key; did you mean data_dir?",
        "config.toml:3: sync.mode: \"fast\" will not do; write \"aggressive\" or \"balanced\" or \"conservative\"",
        "config.toml:4: sync.confirm_after: 60 will not do; write a duration like",
        "config.toml:6: limits.logins_per_second: 0 will not do; write a number from 1 to 1000",
        "config.toml:8: admin.listen: off loopback this needs",
        "config.toml:11: port: 70000 will not do",
        "config.toml:12: tls: a password would cross",
        "config.toml:9: password_file: there is no password",
        "config.toml:9: username: it is missing",
    ];
    assert_eq!(problems.len(), want.len(), "{problems:#?}");
    for start in want {
        assert!(problems.iter().any(|p| p.starts_with(start)), "{start} is not in {problems:#?}");
    }
}

#[test]
fn a_limit_in_octets_has_a_least() {
    for key in ["message_max", "inflight_bytes"] {
        let of = |size: &str| check(&format!("[limits]\n{key} = \"{size}\"\n{GOOD}"));
        let problems = of("1023KiB").unwrap_err();
        let want =
            format!("config.toml:2: limits.{key}: \"1023KiB\" will not do; write a size like");
        assert!(problems[0].starts_with(&want) && problems[0].contains("of 1 MiB at least"));
        assert!(of("1MiB").is_ok(), "{key}");
    }
}

/// Each key of `[recovery]` is the policy's; what does not fit together is told.
#[test]
fn failures_are_waited_for_as_it_is_said() {
    assert_eq!(check(GOOD).unwrap().recovery, Policy::default());
    let said = "[recovery]\nfirst_wait = \"2s\"\nlongest_wait = \"3m\"\ntries = 7\nbelieve_after = \"9m\"\n\
                stretch_after = 4\ncool_down_after = 8\ncool_down = \"11m\"\n";
    let policy = Policy {
        first_wait: Duration::from_secs(2),
        longest_wait: Duration::from_secs(180),
        tries: 7,
        believe_after: Some(Duration::from_secs(540)),
        stretch_after: 4,
        cool_down_after: 8,
        cool_down: Duration::from_secs(660),
        ..Policy::default()
    };
    assert_eq!(check(&format!("{said}{GOOD}")).unwrap().recovery, policy);
    let longer = check(&format!("[recovery]\nfirst_wait = \"2h\"\n{GOOD}")).unwrap().recovery;
    assert_eq!(longer.longest_wait, longer.first_wait, "unless it is said");
    let of = |line: &str| check(&format!("[recovery]\n{line}\n{GOOD}")).unwrap_err();
    let [shorter, none] = [of("longest_wait = \"1s\""), of("tries = 0")];
    assert!(shorter[0].starts_with("config.toml:2: recovery.longest_wait: it is shorter than"));
    assert!(none[0].starts_with("config.toml:2: recovery.tries: 0 will not do"), "{none:?}");
    for key in ["first_wait", "longest_wait", "believe_after", "cool_down"] {
        for never in ["0s", "31d"] {
            let told = &of(&format!("{key} = \"{never}\""))[0];
            assert!(told.contains("from \"1ms\" to \"30d\""), "{told}");
        }
    }
}

#[test]
fn what_is_no_toml_says_where() {
    let problems = check("a = \n").unwrap_err();
    assert!(problems[0].starts_with("config.toml:1: this is not TOML"), "{problems:?}");
}

#[test]
fn a_password_is_never_printed() {
    let text = format!("{}password = \"hunter2\"\n", GOOD.replace("password_env = \"P\"\n", ""));
    let config = check(&text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let several = format!("{GOOD}password = \"hunter2\"\n");
    assert!(!check(&several).unwrap_err().join("").contains("hunter2"));
}

#[test]
fn the_environment_speaks_last() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, GOOD).unwrap();
    let variables =
        [("POSTRIDER_SYNC__RECENT_MESSAGES", "7"), ("POSTRIDER_SYNC__MODUS", "x"), ("HOME", "/")];
    let variables = variables.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let config = load(&file, variables.clone().into_iter()).unwrap();
    assert_eq!(config.recent_messages, 7);
    assert!(config.warnings.iter().any(|w| w.contains("POSTRIDER_SYNC__MODUS")));
}
